/** The records of dns-persist-01 that a configuration needs, and whether the DNS has them. */
import { inParallel } from '#common/in-parallel.ts';
import { messageOf } from '#contract/errors.ts';
import { persistNames } from '../challenge/persist-names.ts';
import { persistName, persistProblem, persistValue } from '../challenge/persist-record.ts';
import type { PersistTerms } from '../challenge/solver.ts';
import type { TxtLookup } from '../challenge/txt-lookup.ts';
import type { CertificateSpec } from '../config/config.ts';
import { accountTerms } from '../order/persist-terms.ts';
import type { CaTerms } from '../pass/caa/ca-terms.ts';
import { NAMES_AT_ONCE } from './finding.ts';

export interface PersistRecord {
  directoryUrl: string;
  /** Of the record. */
  name: string;
  /** What to publish; absent: the CA's names or our account are not known yet. */
  value?: string;
  state: 'published' | 'missing' | 'unknown';
  /** Why it is not as it should be. */
  problem?: string;
}

export async function readPersistRecords(
  certificates: readonly CertificateSpec[],
  cas: readonly CaTerms[],
  lookup: TxtLookup,
  now: () => Date,
): Promise<PersistRecord[]> {
  const work = ([name, isWildcard]: [string, boolean]) =>
    Promise.all(cas.map((ca) => readOne({ ca, name, isWildcard }, lookup, now)));
  return (await inParallel([...persistNames(certificates)], NAMES_AT_ONCE, work, ([name]) => name)).flat();
}

async function readOne(
  { ca, name, isWildcard }: { ca: CaTerms; name: string; isWildcard: boolean },
  lookup: TxtLookup,
  now: () => Date,
): Promise<PersistRecord> {
  const record = { directoryUrl: ca.directoryUrl, name: persistName(name) };
  const terms = termsOf(ca, name, isWildcard);
  if (typeof terms === 'string') return { ...record, state: 'unknown', problem: terms };
  const value = persistValue(terms);
  const isFine = (values: readonly string[]) => persistProblem(values, terms, now()) === undefined;
  try {
    const problem = persistProblem(await lookup(record.name, isFine), terms, now());
    if (problem === undefined) return { ...record, value, state: 'published' };
    return { ...record, value, state: 'missing', problem };
  } catch (error) {
    return { ...record, value, state: 'unknown', problem: messageOf(error) };
  }
}

/** @returns why they are not known */
function termsOf(ca: CaTerms, name: string, isWildcard: boolean): PersistTerms | string {
  const { account, accountUri, fault, issuerDomainNames } = ca;
  if (issuerDomainNames.length === 0) {
    const why = fault === undefined ? 'its directory names none' : `${fault.code} ${fault.message}`;
    return `the CA's domain names are unknown (${why}); set acme.caaIdentities`;
  }
  if (accountUri === undefined) {
    return 'our account is not known: pemfleet account registers it, or set acme.accountUri';
  }
  const known =
    account === undefined
      ? { accountUris: [accountUri], accountHashPrefix: undefined }
      : accountTerms(account, name);
  const accountUris = [...new Set([...known.accountUris, accountUri])];
  return { ...known, accountUris, issuerDomainNames, isWildcard };
}
