/**
 * The OCSP responses beside the published PEMs: fetched at issue, again when half of their life is over, and never
 * for a certificate that names no responder. A failure is told and no more; the response before holds to its end.
 */
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { type ManifestEntry, type PemRef, samePems, sameStapled } from '#contract/manifest.ts';
import type { CertificateSpec } from '../config/config.ts';
import { OcspUnreachable } from '../ocsp/errors.ts';
import { fetchResponse } from '../ocsp/fetch.ts';
import type { Pass } from '../pass.ts';
import { newestEntry, readPem } from './entry.ts';
import type { PemText, PublishedFleets, Publishers } from './publisher.ts';

type StaplePass = Pick<Pass, 'bucket' | 'timing' | 'log'>;

export interface Staples {
  /** SHA-256 of PEMs that their CA has revoked. */
  revoked: ReadonlySet<string>;
  isPublished: boolean;
}

const NO_STAPLES: Staples = { revoked: new Set(), isPublished: false };

interface Item {
  name: CertificateName;
  fleets: readonly FleetName[];
  source: FleetName;
  entry: ManifestEntry;
}

/** Fetches and publishes the staples of the certificates whose time has come; none in a dry run. */
export async function refreshStaples(
  pass: StaplePass & Pick<Pass, 'config' | 'options'>,
  fleets: PublishedFleets,
  specs: readonly CertificateSpec[],
): Promise<Staples> {
  if (pass.options.dryRun) return NO_STAPLES;
  const now = pass.timing.now();
  const items = specs.flatMap((spec) => itemOf(spec, fleets.manifests) ?? []);
  const due = items.filter(({ entry }) => entry.pems.some((pem) => isStapleDue(pem, now)));
  if (due.length === 0) return NO_STAPLES;
  const learned = { revoked: new Set<string>(), silent: new Set<string>() };
  const refreshOne = (item: Item) => refresh(pass, item, fleets.publishers, learned);
  const results = await inParallel(due, pass.config.concurrency, refreshOne, ({ name }) => name);
  return { revoked: learned.revoked, isPublished: results.includes(true) };
}

async function refresh(
  pass: StaplePass,
  { name, fleets, source, entry }: Item,
  publishers: Publishers,
  learned: Learned,
): Promise<boolean> {
  try {
    // The question needs the PEM only: a staple of old may be gone.
    const bare = entry.pems.map(({ ocsp: _, ...pem }) => readPem(pass.bucket, source, name, pem));
    const { pems, texts } = await withStaples(pass, name, entry.pems, await Promise.all(bare), learned);
    const fresh = { ...entry, pems };
    if (sameStapled(fresh, entry)) return false;
    for (const fleet of fleets) await publishers.get(fleet)?.publish(name, fresh, texts, 'staples');
    return true;
  } catch (error) {
    pass.log('ocsp.failed', { certificate: name, code: codeOf(error), error: messageOf(error) });
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
  pass: StaplePass,
  name: CertificateName,
  pems: readonly PemRef[],
  texts: readonly PemText[],
  learned: Learned = { revoked: new Set(), silent: new Set() },
): Promise<{ pems: PemRef[]; texts: PemText[] }> {
  const stapled = { pems: [...pems], texts: [...texts] };
  for (const [index, pem] of pems.entries()) {
    const text = texts[index];
    if (text === undefined || !isStapleDue(pem, pass.timing.now())) continue;
    const fresh = await stapleFor(pass, name, pem, text, learned);
    if (fresh === undefined) continue;
    const { body, ...ocsp } = fresh;
    stapled.pems[index] = { ...pem, ocsp };
    stapled.texts[index] = { ...text, ocsp: { sha256: ocsp.sha256, body } };
  }
  return stapled;
}

async function stapleFor(
  { log, timing }: StaplePass,
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
function itemOf(spec: CertificateSpec, manifests: PublishedFleets['manifests']): Item | undefined {
  const entry = newestEntry(spec, manifests);
  const fleets = spec.fleets.filter((fleet) =>
    samePems(manifests.get(fleet)?.manifest.certificates[spec.name], entry),
  );
  const [source] = fleets;
  return entry && source && { name: spec.name, fleets, source, entry };
}
