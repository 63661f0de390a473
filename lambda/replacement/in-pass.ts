/** The requests of `issuer/replace.json` in a pass: what it obeys, and how far it has come. */
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Outcome } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { NO_REPLACEMENTS, Replacements } from './covered.ts';
import { readRequests } from './requests.ts';

/** A document that cannot be read replaces nothing, and stops nothing else. */
export async function readReplacements({
  bucket,
  log,
  timing,
}: Pick<Pass, 'bucket' | 'log' | 'timing'>): Promise<Replacements> {
  try {
    return new Replacements(await readRequests(bucket), timing.now());
  } catch (error) {
    if (!(error instanceof ContractError || error instanceof BucketError)) throw error;
    log('replacement.failed', { code: error.code, error: messageOf(error) });
    return NO_REPLACEMENTS;
  }
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
