/** What an issuer of version 1 leaves in a bucket: PEMs of a CA, and `manifest.json`. */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { certificateName, type FleetName, layout } from '#contract/layout.ts';
import { emptyManifest, type ManifestEntry, serializeManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { after, noon } from '../clock.ts';
import { certificatesOf } from '../manifest.ts';
import { type Certified, certify } from '../odd-certificates.ts';
import { fleet, makeEntry, makePemRef } from './documents.ts';

export interface Authority {
  root: Certified;
  intermediate: Certified;
}

const long = { notBefore: after(noon, -900 * DAY_MS), notAfter: after(noon, 900 * DAY_MS) };

export async function makeAuthority(name: string): Promise<Authority> {
  const root = await certify({ subject: `CN=${name} root`, isCa: true, ...long });
  const intermediate = await certify({ subject: `CN=${name}`, issuer: root, isCa: true, ...long });
  return { root, intermediate };
}

/** The CA of the old issuer, and of this one. */
export const authority = await makeAuthority('old CA');

export interface IssuedEntry {
  name: string;
  entry: ManifestEntry;
  text: string;
}

export interface IssueOptions {
  by?: Authority;
  at?: Date;
  to?: FleetName;
  /** Default: the name. */
  names?: readonly string[];
}

/** Puts the PEM of a new certificate into the bucket. @returns the entry that an issuer makes of it */
export async function issuePem(
  bucket: Bucket,
  name: string,
  { by = authority, at = after(noon, -HOUR_MS), to = fleet, names = [name] }: IssueOptions = {},
): Promise<IssuedEntry> {
  const { intermediate } = by;
  const dates = { notBefore: at, notAfter: after(at, 90 * DAY_MS) };
  const leaf = await certify({ subject: `CN=${names[0]}`, dnsNames: names, issuer: intermediate, ...dates });
  const text = leaf.pem + intermediate.pem + leaf.keyPem;
  const sha256 = digest(text);
  await bucket.put(layout.pem(to, certificateName.parse(name), sha256), text);
  const pem = makePemRef({
    ...{ sha256, size: text.length },
    ...{ notBefore: dates.notBefore.toISOString(), notAfter: dates.notAfter.toISOString() },
  });
  return {
    name,
    text,
    entry: makeEntry({ identifiers: [...names], publishedAt: at.toISOString(), pems: [pem] }),
  };
}

/** As an issuer of version 1 writes it, which keeps members that it does not know. */
export async function putVersion1(
  bucket: Bucket,
  entries: readonly IssuedEntry[],
  { at = noon, to = fleet }: Pick<IssueOptions, 'at' | 'to'> = {},
): Promise<void> {
  const before = await bucket.get(layout.manifest(to));
  const kept = before === undefined ? {} : (JSON.parse(before.body.toString()) as object);
  const old = 'certificates' in kept ? (kept.certificates as object) : {};
  const certificates = certificatesOf({
    ...old,
    ...Object.fromEntries(entries.map(({ name, entry }) => [name, entry])),
  });
  const manifest = { ...emptyManifest(to, at), ...kept, updatedAt: at.toISOString(), certificates };
  await bucket.put(layout.manifest(to), serializeManifest(manifest));
}
