/**
 * The OCSP responses beside the published PEMs: fetched at issue, again when half of their life is over, and never
 * for a certificate that names no responder. A failure is told and no more; the response before holds to its end.
 */
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { type ManifestEntry, type PemRef, samePems, sameStapled } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from '../acme/poll.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Log } from '../log.ts';
import { OcspUnreachable } from '../ocsp/errors.ts';
import { fetchResponse } from '../ocsp/fetch.ts';
import { newestEntry, readPem } from './entry.ts';
import type { PemText, Publishers, ReadManifest } from './publisher.ts';

export interface StapleDeps {
  bucket: Bucket;
  timing: Timing;
  log: Log;
}

export interface Staples {
  /** SHA-256 of PEMs that their CA has revoked. */
  revoked: ReadonlySet<string>;
  isPublished: boolean;
}

export const NO_STAPLES: Staples = { revoked: new Set(), isPublished: false };

type Manifests = ReadonlyMap<FleetName, ReadManifest | undefined>;

interface Item {
  name: CertificateName;
  fleets: readonly FleetName[];
  source: FleetName;
  entry: ManifestEntry;
}

/** Of all published certificates, those whose time has come. */
export async function refreshStaples(
  deps: StapleDeps,
  concurrency: number,
  specs: readonly CertificateSpec[],
  manifests: Manifests,
  publishers: Publishers,
): Promise<Staples> {
  const now = deps.timing.now();
  const items = specs.flatMap((spec) => itemOf(spec, manifests) ?? []);
  const due = items.filter(({ entry }) => entry.pems.some((pem) => isStapleDue(pem, now)));
  if (due.length === 0) return NO_STAPLES;
  const learned = { revoked: new Set<string>(), silent: new Set<string>() };
  const refreshOne = (item: Item) => refresh(deps, item, publishers, learned);
  const results = await inParallel(due, concurrency, refreshOne, ({ name }) => name);
  return { revoked: learned.revoked, isPublished: results.includes(true) };
}

async function refresh(
  deps: StapleDeps,
  { name, fleets, source, entry }: Item,
  publishers: Publishers,
  learned: Learned,
): Promise<boolean> {
  try {
    // The question needs the PEM only: a staple of old may be gone.
    const bare = entry.pems.map(({ ocsp: _, ...pem }) => readPem(deps.bucket, source, name, pem));
    const { pems, texts } = await withStaples(deps, name, entry.pems, await Promise.all(bare), learned);
    const fresh = { ...entry, pems };
    if (sameStapled(fresh, entry)) return false;
    for (const fleet of fleets) await publishers.get(fleet)?.publish(name, fresh, texts, 'staples');
    return true;
  } catch (error) {
    deps.log('ocsp.failed', { certificate: name, code: codeOf(error), error: messageOf(error) });
    return false;
  }
}

/** Half of its life is over, or there is none yet. */
export function isStapleDue({ ocspUrl, ocsp, notAfter }: PemRef, now: Date): boolean {
  if (ocspUrl === undefined || now >= new Date(notAfter)) return false;
  if (ocsp === undefined) return true;
  const [from, to] = [Date.parse(ocsp.thisUpdate), Date.parse(ocsp.nextUpdate)];
  return now.getTime() >= from + (to - from) / 2;
}

interface Learned {
  revoked: Set<string>;
  /** Responders that gave no answer in this pass: asked once, not for each certificate. */
  silent: Set<string>;
}

/** The same PEMs with responses as fresh as their CA gives them. */
export async function withStaples(
  deps: StapleDeps,
  name: CertificateName,
  pems: readonly PemRef[],
  texts: readonly PemText[],
  learned: Learned = { revoked: new Set(), silent: new Set() },
): Promise<{ pems: PemRef[]; texts: PemText[] }> {
  const stapled = { pems: [...pems], texts: [...texts] };
  for (const [index, pem] of pems.entries()) {
    const text = texts[index];
    if (text === undefined || !isStapleDue(pem, deps.timing.now())) continue;
    const fresh = await stapleFor(deps, name, pem, text, learned);
    if (fresh === undefined) continue;
    const { body, ...ocsp } = fresh;
    stapled.pems[index] = { ...pem, ocsp };
    stapled.texts[index] = { ...text, ocsp: { sha256: ocsp.sha256, body } };
  }
  return stapled;
}

async function stapleFor(
  { log, timing }: StapleDeps,
  certificate: CertificateName,
  { ocspUrl: url = '', serial, sha256, ocsp: old }: PemRef,
  { text }: PemText,
  { revoked, silent }: Learned,
): Promise<(NonNullable<PemRef['ocsp']> & { body: Buffer }) | undefined> {
  const { host } = new URL(url);
  if (silent.has(host)) return undefined;
  try {
    const [leaf, issuer] = parse(text).chain;
    if (leaf === undefined || issuer === undefined) throw new TypeError('a published PEM without its issuer');
    const { status, body, ...times } = await fetchResponse(url, { leaf, issuer, now: timing.now() });
    if (status === 'revoked') {
      revoked.add(sha256);
      log('ocsp.revoked', { certificate, serial });
    }
    const [thisUpdate, nextUpdate] = [times.thisUpdate.toISOString(), times.nextUpdate.toISOString()];
    if (status === 'unknown') log('ocsp.failed', { certificate, error: `${url}: status unknown` });
    // A cache may give an older one than it gave before.
    if (status !== 'good' || (old !== undefined && thisUpdate <= old.thisUpdate)) return undefined;
    log('ocsp.fetched', { certificate, thisUpdate, nextUpdate });
    return { sha256: digest(body), thisUpdate, nextUpdate, body };
  } catch (error) {
    if (error instanceof OcspUnreachable) silent.add(host);
    log('ocsp.failed', { certificate, code: codeOf(error), error: messageOf(error) });
    return undefined;
  }
}

/** Only fleets that have the newest PEMs; the others are brought to them first (entry.ts, spread). */
function itemOf(spec: CertificateSpec, manifests: Manifests): Item | undefined {
  const entry = newestEntry(spec, manifests);
  const fleets = spec.fleets.filter((fleet) =>
    samePems(manifests.get(fleet)?.manifest.certificates[spec.name], entry),
  );
  const [source] = fleets;
  return entry && source && { name: spec.name, fleets, source, entry };
}
