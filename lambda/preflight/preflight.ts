/** `plan --check`: asks everybody whom an order will need, and orders nothing. Writes one token into the bucket, and removes it. */
import { nameServerAdvice } from '#common/net/dns-fault.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from '../acme/poll.ts';
import { type Cas, caOf } from '../ca/ca.ts';
import { readCaState } from '../ca/state.ts';
import { caaLookup } from '../challenge/caa-lookup.ts';
import type { Solvers } from '../challenge/solver.ts';
import { txtLookup } from '../challenge/txt-lookup.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { isLimited, type Outcome } from '../outcome.ts';
import { readCaTerms } from '../pass/caa/ca-terms.ts';
import { resolverOf } from '../probe/resolve.ts';
import { caNameOf, readCaa } from './caa-report.ts';
import { checkCas } from './check-cas.ts';
import { checkLimits } from './check-limits.ts';
import { checkResponder } from './check-responder.ts';
import { checkZones } from './check-zones.ts';
import { readPersistRecords } from './dns-records.ts';
import type { PreflightFinding } from './finding.ts';

export interface Preflight {
  config: Config;
  /** Those of `--only`, or all. */
  certificates: readonly CertificateSpec[];
  /** With the state of the CAs. */
  bucket: Bucket;
  cas: Cas;
  solvers: Solvers;
  timing: Timing;
  allowPrivate: boolean;
  /** Where HTTP-01 is answered: 80, but for tests. */
  httpPort?: number;
}

export async function runPreflight(preflight: Preflight): Promise<PreflightFinding[]> {
  const { allowPrivate, bucket, cas, certificates, config, httpPort, solvers, timing } = preflight;
  const { resolvers } = config.dns;
  const terms = await readCaTerms(cas);
  const account = await caOf(cas, config.acme.directoryUrl)
    .storedAccount()
    .catch(() => undefined);
  const state = await readCaState(bucket);
  const findings = await Promise.all([
    checkCas(cas, certificates, timing.now),
    caaFindings(preflight, terms),
    recordFindings(preflight, terms),
    checkResponder({
      ...{ certificates, solvers, allowPrivate, resolve: resolverOf(resolvers) },
      thumbprint: account?.thumbprint,
      ...(httpPort !== undefined && { port: httpPort }),
    }),
    checkZones(certificates, solvers),
    checkLimits(state, config, certificates, timing.now()),
  ]);
  return findings.flat();
}

type Terms = Awaited<ReturnType<typeof readCaTerms>>;

async function caaFindings({ certificates, config }: Preflight, terms: Terms): Promise<PreflightFinding[]> {
  const { checks } = await readCaa(certificates, terms, caaLookup(config.dns.resolvers));
  const all = terms.map((one) => one.directoryUrl);
  return checks.map(({ at, directoryUrl, identifier, isUnreached, method, problem, result }) => ({
    check: 'caa',
    subject: identifier,
    result: result === 'allowed' ? 'ok' : result === 'denied' ? 'failed' : 'unknown',
    wanted: `CAA that lets ${caNameOf(directoryUrl, all)} issue by ${method}`,
    saw: problem ?? (at === undefined ? 'no CAA: any CA may' : `the CAA at ${at} lets it`),
    ...(problem !== undefined && {
      advice: isUnreached ? nameServerAdvice('dns.resolvers') : 'pemfleet caa prints the records that do',
    }),
  }));
}

async function recordFindings(
  { certificates, config, timing }: Preflight,
  terms: Terms,
): Promise<PreflightFinding[]> {
  const lookup = txtLookup(config.dns.resolvers);
  const records = await readPersistRecords(certificates, terms, lookup, timing.now);
  return records.map(({ name, problem, state, value }) => ({
    check: 'record',
    subject: name,
    result: state === 'published' ? 'ok' : state === 'missing' ? 'failed' : 'unknown',
    wanted: value === undefined ? 'the record of dns-persist-01' : `TXT "${value}"`,
    saw: problem ?? 'it',
    ...(problem !== undefined && { advice: 'publish it: pemfleet dns-records prints it' }),
  }));
}

/** Limits that are used up, as the plan has found them. */
export function limitFindings(outcomes: readonly Outcome[]): PreflightFinding[] {
  return outcomes.filter(isLimited).map(({ certificate, heldBackBy, reason, until }) => ({
    check: 'limits',
    subject: certificate,
    result: 'failed',
    wanted: "an order now, within the CA's limits",
    saw: `${heldBackBy ?? reason}${until === undefined ? '' : ` until ${until}`}`,
    advice: 'nothing: a later pass orders it by itself',
  }));
}
