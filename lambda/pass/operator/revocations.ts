/**
 * What operators want revoked, at the end of a pass: once each living host of the certificate's fleets has proved what has taken its place, the
 * CA is told, and hosts are. A revoked certificate that is served still is an outage for whoever asks about revocation.
 */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { RevocationOutcome } from '../../outcome.ts';
import type { Pass } from '../../pass.ts';
import type { PublishedFleets } from '../../publication/publisher.ts';
import {
  type RevocationRequest,
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

type Source = Pick<Survey, 'revocations' | 'trusted' | 'publishers'> & Pick<PublishedFleets, 'manifests'>;
/** With what hosts have proved, by fleet: statuses are read once for all that is to be revoked. */
type ProofSource = Source & { proofs: Map<FleetName, FleetProofs> };

/** One that fails stops no other. @param survey with the manifests as the pass has left them */
export async function revokeProved(pass: Pass, survey: Source): Promise<RevocationOutcome[]> {
  const outcomes: RevocationOutcome[] = [];
  const source = { ...survey, proofs: new Map() };
  for (const stored of survey.revocations) {
    const { certificate, requests = [] } = stored;
    if (pass.options.only?.includes(certificate) === false) continue;
    for (const request of requests) outcomes.push(await revokeOne(pass, source, stored, request));
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
  survey: ProofSource,
  stored: StoredRevocation,
  request: RevocationRequest,
): Promise<RevocationOutcome> {
  const { certificate } = stored;
  const known = { certificate, serials: serialsOf(request), reason: request.reason, since: request.at };
  const { now, deadline } = pass.timing;
  if (deadline.getTime() - now().getTime() < MIN_REST_MS) return { ...known, result: 'waiting' };
  try {
    const hosts = await unprovenHosts(pass, survey, stored);
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
  { manifests, trusted, proofs }: ProofSource,
  stored: StoredRevocation,
): Promise<string[] | undefined> {
  const { certificate: name } = stored;
  const spec = pass.config.certificates.find((one) => one.name === name);
  // For whatever reason: no certificate that is to be revoked takes the place of another one.
  const going = revokingDigests([stored]);
  const hosts: string[] = [];
  let isReported = false;
  for (const fleet of spec?.fleets ?? []) {
    const read = manifests.get(fleet);
    const entry: ManifestEntry | undefined = read?.manifest.certificates[name];
    if (read === undefined || entry === undefined || entry.pems.some(({ sha256 }) => going.has(sha256))) {
      return undefined;
    }
    const ofFleet = proofs.get(fleet) ?? new FleetProofs(pass, read, trusted);
    proofs.set(fleet, ofFleet);
    const some = await ofFleet.hostsWithoutProof(
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
  certificate: CertificateName,
  request: RevocationRequest,
): Promise<void> {
  const spec = pass.config.certificates.find((one) => one.name === certificate);
  // It may have moved: other fleets still serve it.
  const serving = [...manifests].flatMap(([fleet, read]) =>
    read?.manifest.certificates[certificate] ? [fleet] : [],
  );
  const fleets = new Set([...(spec?.fleets ?? []), ...serving]);
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
