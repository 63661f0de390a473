/** Fallback CAs that CAA records forbid for a certificate's names: an order there would only be refused. */
import { isIP } from 'node:net';
import { inParallel } from '#common/in-parallel.ts';
import { caOf } from '../../ca/ca.ts';
import { type CaaRecord, caaProblem } from '../../challenge/caa.ts';
import type { CaaLookup } from '../../challenge/caa-lookup.ts';
import type { CertificateSpec } from '../../config/config.ts';
import type { Pass } from '../../pass.ts';
import { caTermsOf, isAccountUnknown } from './ca-terms.ts';

/** A hundred names have one zone, as a rule: the first answers are remembered for the others. */
const LOOKED_UP_AT_ONCE = 10;

/** Nothing was ordered: CAA records let this CA issue for none, or not for all, of the names. */
export class CaaForbids extends Error {
  override name = 'CaaForbids';
  readonly code = 'ERR_ACME_NOT_OFFERED';
}

/**
 * The preferred CA is the operator's word, and is asked. What gets no answer forbids nothing.
 * @returns why an order of these names at this CA would be refused
 */
export async function forbiddenByCaa(
  { caa, cas, config, log }: Pick<Pass, 'caa' | 'cas' | 'config' | 'log'>,
  { name, identifiers, challenge }: Pick<CertificateSpec, 'name' | 'identifiers' | 'challenge'>,
  directoryUrl: string,
): Promise<CaaForbids | undefined> {
  if (caa === undefined || directoryUrl === config.acme.directoryUrl) return undefined;
  const names = identifiers.filter((identifier) => !isIP(identifier));
  const found = await inParallel(names, LOOKED_UP_AT_ONCE, (one) => recordsFor(caa, one), String);
  if (found.every(({ records }) => records.length === 0)) return undefined;
  const terms = await caTermsOf(caOf(cas, directoryUrl));
  const { accountUri, caaIdentities: issuers } = terms;
  if (issuers.length === 0) return undefined;
  const methods = challenge.map((one) => (one === 'http-01-stateless' ? 'http-01' : one));
  const [problem] = found.flatMap(({ identifier, records }) => {
    const asked = { identifier, issuers, accountUri, isAccountUnknown: isAccountUnknown(terms) };
    const problems = methods.map((method) => caaProblem(records, { ...asked, method }));
    return problems.includes(undefined) ? [] : [`${identifier}: ${problems[0]}`];
  });
  if (problem === undefined) return undefined;
  const error = new CaaForbids(`${directoryUrl} is not asked: ${problem}`);
  log('ca.forbidden', { certificate: name, directory: directoryUrl, error: error.message });
  return error;
}

/** None where there is no answer. */
async function recordsFor(
  lookup: CaaLookup,
  identifier: string,
): Promise<{ identifier: string; records: readonly CaaRecord[] }> {
  const { fault, records } = await lookup(identifier);
  return { identifier, records: fault === undefined ? records : [] };
}
