/** The requests of `issuer/replace.json` in a pass: what it obeys, and how far it has come. */
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Outcome } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { listPems } from '../publication/published-pems.ts';
import { Replacements } from './covered.ts';
import { readRequests } from './requests.ts';
import { readRevocations, replacementOf, revokingPems, type StoredRevocation } from './revocations.ts';

/**
 * A document that cannot be read replaces nothing, and stops nothing else.
 * @param revocations what is to be revoked is replaced before
 */
export async function readReplacements(
  { bucket, log, timing }: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  revocations: readonly StoredRevocation[] = [],
): Promise<Replacements> {
  const before = revocations.flatMap(({ requests }) => requests?.map(replacementOf) ?? []);
  try {
    return new Replacements([...before, ...(await readRequests(bucket))], timing.now());
  } catch (error) {
    if (!(error instanceof ContractError || error instanceof BucketError)) throw error;
    log('replacement.failed', { code: error.code, error: messageOf(error) });
    return new Replacements(before, timing.now());
  }
}

/** One that cannot be read revokes nothing, and is told. */
export async function readRevocationsInPass({
  bucket,
  log,
}: Pick<Pass, 'bucket' | 'log'>): Promise<readonly StoredRevocation[]> {
  try {
    const stored = await readRevocations(bucket);
    for (const { certificate, fault } of stored) {
      if (fault === undefined) continue;
      log('revocation.failed', { certificate, code: codeOf(fault), error: messageOf(fault) });
    }
    return stored;
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    log('revocation.failed', { code: error.code, error: messageOf(error) });
    return [];
  }
}

/**
 * Keys of a fleet's PEMs that are to be revoked: where the account is lost, the CA wants the private key. Of a request that cannot be read,
 * all of the certificate's. @throws BucketError
 */
export async function revokingKeys(bucket: Pass['bucket'], fleet: FleetName): Promise<string[]> {
  const stored = await readRevocations(bucket);
  const keys = stored.map(async (one) => {
    if (one.requests === undefined) return (await listPems(bucket, fleet, one.certificate)) ?? [];
    return revokingPems(one).map(({ sha256 }) => layout.pem(fleet, one.certificate, sha256));
  });
  return (await Promise.all(keys)).flat();
}

/** Silent where the requests cover nothing any more. @param covered when the pass began */
export function logReplacement(
  { log }: Pick<Pass, 'log'>,
  covered: readonly CertificateName[],
  outcomes: readonly Outcome[],
): void {
  if (covered.length === 0) return;
  const names = new Set<string>(covered);
  const results = outcomes.filter(({ certificate }) => names.has(certificate)).map(({ result }) => result);
  const count = (wanted: Outcome['result']) => results.filter((result) => result === wanted).length;
  const replaced = count('issued');
  log('replacement.progress', { replaced, failed: count('failed'), left: names.size - replaced });
}
