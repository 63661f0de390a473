/**
 * What operators want revoked, at the end of a pass: once each living host of the certificate's fleets has proved what has taken its place, the
 * CA is told, and hosts are. A revoked certificate that is served still is an outage for whoever asks about revocation.
 */
import { BucketError, codeOf, isObjectFault, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { RevocationOutcome } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import { keptLeaf, readHistory } from '../../publication/history/history.ts';
import { eraseStolenKeys } from '../../publication/history/stolen-keys.ts';
import { readStoredPem } from '../../publication/published-pems.ts';
import type { PublishedFleets } from '../../publication/publisher.ts';
import { endRevoked, type RevocationTarget, revokeTargets } from '../../publication/revoke.ts';
import { deleteRevocation, type RevocationRequest, serialsOf } from '../../replacement/revocations.ts';
import { FleetProofs } from '../supersede.ts';
import type { Survey } from '../survey.ts';

/** Hosts in one outcome. */
const MAX_NAMED = 20;
/** Below this rest of the pass no statuses are read, and no CA is asked. */
const MIN_REST_MS = 30_000;

type Source = Pick<Survey, 'revocations' | 'trusted' | 'publishers'> & Pick<PublishedFleets, 'manifests'>;

/** One that fails stops no other. @param survey with the manifests as the pass has left them */
export async function revokeProved(pass: Pass, survey: Source): Promise<RevocationOutcome[]> {
  const outcomes: RevocationOutcome[] = [];
  for (const { certificate, request } of survey.revocations) {
    const isMeant = pass.options.only?.includes(certificate) ?? true;
    if (request === undefined || !isMeant) continue;
    outcomes.push(await revokeOne(pass, survey, certificate, request));
  }
  for (const { certificate, result, serials, hosts, error } of outcomes) {
    if (result === 'waiting') pass.log('revocation.waiting', { certificate, serials, hosts });
    if (error === undefined) continue;
    pass.log('revocation.failed', { certificate, code: error.code, error: error.message });
  }
  return outcomes;
}

async function revokeOne(
  pass: Pass,
  survey: Source,
  certificate: CertificateName,
  request: RevocationRequest,
): Promise<RevocationOutcome> {
  const known = { certificate, serials: serialsOf(request), reason: request.reason, since: request.at };
  const { now, deadline } = pass.timing;
  if (deadline.getTime() - now().getTime() < MIN_REST_MS) return { ...known, result: 'waiting' };
  try {
    const hosts = await unprovenHosts(pass, survey, certificate, request);
    if (hosts === undefined || hosts.length > 0) {
      return { ...known, result: 'waiting', ...(hosts && { hosts: hosts.slice(0, MAX_NAMED) }) };
    }
    await revoke(pass, survey, certificate, request);
    return { ...known, result: 'revoked' };
  } catch (error) {
    // As with an order: what fails is told, and the next pass tries again.
    return { ...known, result: 'failed', error: { code: codeOf(error), message: messageOf(error) } };
  }
}

/** @returns undefined: what takes its place is not published everywhere yet, or nobody has ever reported; then nothing is proved */
async function unprovenHosts(
  pass: Pass,
  { manifests, trusted }: Source,
  name: CertificateName,
  request: RevocationRequest,
): Promise<string[] | undefined> {
  const spec = pass.config.certificates.find((one) => one.name === name);
  const going = new Set(request.pems.map(({ sha256 }) => sha256));
  const hosts: string[] = [];
  let isReported = false;
  for (const fleet of spec?.fleets ?? []) {
    const read = manifests.get(fleet);
    const entry: ManifestEntry | undefined = read?.manifest.certificates[name];
    if (read === undefined || entry === undefined || entry.pems.some(({ sha256 }) => going.has(sha256))) {
      return undefined;
    }
    const proofs = new FleetProofs(pass, read, trusted);
    const some = await proofs.hostsWithoutProof(
      { fleet, name },
      { by: new Map([[name, entry]]), uncovered: [] },
    );
    isReported ||= some !== undefined;
    hosts.push(...(some ?? []).map((host) => `${fleet}/${host}`));
  }
  return isReported ? hosts : undefined;
}

async function revoke(
  pass: Pass,
  { manifests, publishers }: Source,
  name: CertificateName,
  request: RevocationRequest,
): Promise<void> {
  const spec = pass.config.certificates.find((one) => one.name === name);
  // It may have moved: other fleets still serve it.
  const serving = [...manifests].flatMap(([fleet, read]) =>
    read?.manifest.certificates[name] ? [fleet] : [],
  );
  const fleets = new Set([...(spec?.fleets ?? []), ...serving]);
  const targets = await targetsOf(pass, [...fleets], name, request);
  const revocations = await revokeTargets(pass, targets, name, request.reason);
  const serials = revocations.map(({ serial }) => serial);
  const reason = `${request.reason}: ${request.by}`;
  await pass.audit?.record([{ action: 'revoked-at-ca', certificate: name, before: serials, reason }]);
  const some = [...publishers].filter(([fleet]) => fleets.has(fleet));
  await endRevoked(new Map(some), name, targets);
  await deleteRevocation(pass.bucket, name);
  if (request.reason !== 'keyCompromise') return;
  const stolen = { name, keys: targets.map(({ leaf }) => leaf.publicKey), now: pass.timing.now() };
  for (const problem of await eraseStolenKeys(pass, [...fleets], stolen)) {
    pass.log('revocation.failed', { certificate: name, code: 'ERR_BUCKET_DENIED', error: problem });
  }
}

/** As the bucket still has them in one of the fleets. @throws BucketError where it has not: the CA wants the certificate itself */
async function targetsOf(
  { bucket }: Pass,
  fleets: readonly FleetName[],
  name: CertificateName,
  { pems }: RevocationRequest,
): Promise<RevocationTarget[]> {
  const bySerial = new Map<string, RevocationTarget>();
  for (const { sha256, serial, directoryUrl } of pems) {
    const keys = fleets.map((fleet) => layout.pem(fleet, name, sha256));
    const { leaf, key } = await readFromOneOf(bucket, keys, () => readKept(bucket, fleets, name, sha256));
    const sha256s = [...(bySerial.get(serial)?.sha256s ?? []), sha256];
    bySerial.set(serial, { sha256s, leaf, ...(key && { key }), directoryUrl });
  }
  return [...bySerial.values()];
}

/** Of a PEM that keyRetention has deleted with its key. */
async function readKept(
  bucket: Pass['bucket'],
  fleets: readonly FleetName[],
  name: CertificateName,
  sha256: string,
): Promise<Pick<RevocationTarget, 'leaf' | 'key'> | undefined> {
  for (const fleet of fleets) {
    const pems = (await readHistory(bucket, fleet, name)).flatMap((version) => version.pems);
    const leaf = pems.flatMap((pem) => (pem.sha256 === sha256 ? (keptLeaf(pem) ?? []) : []))[0];
    if (leaf !== undefined) return { leaf };
  }
  return undefined;
}

async function readFromOneOf(
  bucket: Pass['bucket'],
  keys: readonly string[],
  otherwise: () => Promise<Pick<RevocationTarget, 'leaf' | 'key'> | undefined>,
): Promise<Pick<RevocationTarget, 'leaf' | 'key'>> {
  let fault: BucketError | undefined;
  for (const key of keys) {
    try {
      const stored = await readStoredPem(bucket, key);
      if (stored !== undefined) return stored;
    } catch (error) {
      if (!isObjectFault(error)) throw error;
      fault = error;
    }
  }
  const kept = await otherwise();
  if (kept !== undefined) return kept;
  throw (
    fault ??
    new BucketError('ERR_BUCKET_IO', keys[0] ?? layout.publishedFleets, 'the bucket has the PEM no more')
  );
}
