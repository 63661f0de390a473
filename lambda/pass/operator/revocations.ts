/**
 * What operators want revoked, at the end of a pass: once each living host of the certificate's fleets has proved what has taken its place, the
 * CA is told, and hosts are. A revoked certificate that is served still is an outage for whoever asks about revocation.
 */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { RevocationOutcome } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import { readHistory } from '../../publication/history/history.ts';
import type { PublishedFleets } from '../../publication/publisher.ts';
import type { ReadManifest } from '../../publication/read-manifest.ts';
import {
  type RevocationRequest,
  readRevocation,
  revokingDigests,
  type StoredRevocation,
  serialsOf,
} from '../../replacement/revocations.ts';
import { revokeAndErase, targetsOfRequest } from '../../replacement/revoke-requested.ts';
import { FleetProofs } from '../supersede.ts';
import type { Survey } from '../survey.ts';

/** Hosts in one outcome. */
const MAX_NAMED = 20;
/** Below this rest of the pass no statuses are read, and no CA is asked. */
const MIN_REST_MS = 30_000;

type Source = Pick<Survey, 'revocations' | 'trusted' | 'publishers' | 'unreadable'> &
  Pick<PublishedFleets, 'manifests'>;
/** With what hosts have proved, by fleet: statuses are read once for all that is to be revoked. */
type ProofSource = Source & { proofs: Map<FleetName, FleetProofs> };

/** One that fails stops no other. @param survey with the manifests as the pass has left them */
export async function revokeProved(pass: Pass, survey: Source): Promise<RevocationOutcome[]> {
  const outcomes: RevocationOutcome[] = [];
  const source = { ...survey, proofs: new Map() };
  for (const stored of survey.revocations) {
    const { certificate, requests = [] } = stored;
    if (pass.options.only?.includes(certificate) === false) continue;
    for (const request of requests) {
      const outcome = await revokeOne(pass, source, stored, request);
      if (outcome !== undefined) outcomes.push(outcome);
    }
  }
  for (const { certificate, result, serials, hosts, error } of outcomes) {
    if (result === 'waiting') pass.log('revocation.waiting', { certificate, serials, hosts });
    if (error === undefined) continue;
    pass.log('revocation.failed', { certificate, code: error.code, error: error.message });
  }
  return outcomes;
}

/** @returns undefined: it was taken back meanwhile */
async function revokeOne(
  pass: Pass,
  survey: ProofSource,
  stored: StoredRevocation,
  request: RevocationRequest,
): Promise<RevocationOutcome | undefined> {
  const { certificate } = stored;
  const known = { certificate, serials: serialsOf(request), reason: request.reason, since: request.at };
  const { now, deadline } = pass.timing;
  if (deadline.getTime() - now().getTime() < MIN_REST_MS) return { ...known, result: 'waiting' };
  try {
    const hosts = await unprovenHosts(pass, survey, stored);
    if (hosts === undefined || hosts.length > 0) {
      return { ...known, result: 'waiting', ...(hosts && { hosts: hosts.slice(0, MAX_NAMED) }) };
    }
    const asked = await askedStill(pass, certificate, request);
    if (asked === undefined) return undefined;
    await revoke(pass, survey, certificate, asked);
    return { ...known, result: 'revoked' };
  } catch (error) {
    // As with an order: what fails is told, and the next pass tries again.
    return { ...known, result: 'failed', error: { code: codeOf(error), message: messageOf(error) } };
  }
}

/** The pass has read it when it began: what was said since counts. @throws ContractError, BucketError */
async function askedStill(
  { bucket }: Pass,
  certificate: CertificateName,
  request: RevocationRequest,
): Promise<RevocationRequest | undefined> {
  const stored = await readRevocation(bucket, certificate);
  if (stored?.fault !== undefined) throw stored.fault;
  const now = stored?.requests?.find(({ reason }) => reason === request.reason);
  const pems = request.pems.filter(({ sha256 }) => now?.pems.some((pem) => pem.sha256 === sha256));
  return pems.length === 0 ? undefined : { ...request, pems };
}

/**
 * In each fleet that has it, or had: a certificate that has moved, or is configured no more, is served where it was.
 * @returns undefined: what takes its place is not published everywhere yet, or nobody has ever reported; then nothing is proved
 */
async function unprovenHosts(
  pass: Pass,
  source: ProofSource,
  stored: StoredRevocation,
): Promise<string[] | undefined> {
  const { certificate: name } = stored;
  // For whatever reason: no certificate that is to be revoked takes the place of another one.
  const going = revokingDigests([stored]);
  const isGoing = ({ pems }: ManifestEntry) => pems.some(({ sha256 }) => going.has(sha256));
  const fleets = await fleetsServing(pass, source, name);
  if (fleets === undefined) return undefined;
  const hosts: string[] = [];
  const moved = new Map<string, string>();
  let isReported = fleets.length === 0;
  for (const { fleet, read, isConfigured } of fleets) {
    const entry = read?.manifest.certificates[name];
    if (read === undefined || entry === undefined || (isConfigured && isGoing(entry))) return undefined;
    const proofs = source.proofs.get(fleet) ?? new FleetProofs(pass, read, source.trusted);
    source.proofs.set(fleet, proofs);
    const living = await proofs.livingHosts(fleet);
    // No pass publishes anything else there: whoever lives there serves it until it is withdrawn.
    const some = isGoing(entry)
      ? [...living].flatMap(([host, at]) => (at < (moved.get(host) ?? '') ? [] : [host]))
      : await proofs.hostsWithoutProof({ fleet, name }, { by: new Map([[name, entry]]), uncovered: [] });
    for (const [host, at] of isConfigured ? living : []) moved.set(host, at);
    isReported ||= living.size > 0;
    hosts.push(...(some ?? []).map((host) => `${fleet}/${host}`));
  }
  return isReported ? hosts : undefined;
}

interface ServingFleet {
  fleet: FleetName;
  read: ReadManifest | undefined;
  isConfigured: boolean;
}

/** Those that it is configured for first. @returns undefined: one whose manifest cannot be read may serve it. @throws BucketError */
async function fleetsServing(
  { bucket, config }: Pass,
  { manifests, unreadable }: ProofSource,
  name: CertificateName,
): Promise<ServingFleet[] | undefined> {
  const configured = config.certificates.find((one) => one.name === name)?.fleets ?? [];
  for (const fleet of unreadable) {
    if (!configured.includes(fleet) && (await readHistory(bucket, fleet, name)).length > 0) return undefined;
  }
  const own = configured.map((fleet) => ({ fleet, read: manifests.get(fleet), isConfigured: true }));
  const others = [...manifests]
    .filter(([fleet, read]) => !configured.includes(fleet) && read?.manifest.certificates[name] !== undefined)
    .map(([fleet, read]) => ({ fleet, read, isConfigured: false }));
  return [...own, ...others];
}

async function revoke(
  pass: Pass,
  { manifests, publishers }: Source,
  certificate: CertificateName,
  request: RevocationRequest,
): Promise<void> {
  const spec = pass.config.certificates.find((one) => one.name === certificate);
  // It may have moved, or was withdrawn: other fleets still serve it, or have its key.
  const fleets = new Set(spec?.fleets);
  for (const [fleet, read] of manifests) {
    const isServed = read?.manifest.certificates[certificate] !== undefined;
    if (isServed || (await readHistory(pass.bucket, fleet, certificate)).length > 0) fleets.add(fleet);
  }
  const now = pass.timing.now();
  const publishersOf = new Map([...publishers].filter(([fleet]) => fleets.has(fleet)));
  const where = { certificate, fleets: [...fleets], publishers: publishersOf, now };
  const targets = await targetsOfRequest(pass.bucket, where, request.pems);
  const { problems, isKeyLeft } = await revokeAndErase(pass, where, { ...request, ...targets });
  if (isKeyLeft) {
    const says = `the CA has revoked it, and its key is still in the bucket: ${problems.join('; ')}`;
    throw new BucketError('ERR_BUCKET_DENIED', layout.revocation(certificate), says);
  }
  for (const problem of problems) {
    pass.log('revocation.failed', { certificate, code: 'ERR_BUCKET_DENIED', error: problem });
  }
}
