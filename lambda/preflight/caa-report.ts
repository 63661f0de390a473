/** CAA records that let the configured CAs issue, and no other; and whether those in the DNS do. */

import { isIP } from 'node:net';
import { inParallel } from '#common/in-parallel.ts';
import { dnsFaultText, isUnreached } from '#common/net/dns-fault.ts';
import { caaProblem, caaValue } from '../challenge/caa.ts';
import type { CaaLookup } from '../challenge/caa-lookup.ts';
import type { ChallengeName } from '../config/challenge.ts';
import type { CertificateSpec } from '../config/config.ts';
import { withoutWildcard } from '../config/identifier.ts';
import { type CaTerms, isAccountUnknown } from '../pass/caa/ca-terms.ts';
import { NAMES_AT_ONCE } from './finding.ts';

/** A record to publish. */
export interface CaaWanted {
  name: string;
  tag: 'issue' | 'issuewild';
  value: string;
}

/** What the DNS says to one CA about one name, by one challenge. */
export interface CaaCheck {
  identifier: string;
  directoryUrl: string;
  /** ACME challenge type. */
  method: string;
  result: 'allowed' | 'denied' | 'unknown';
  /** Where the records are that apply; absent: there are none. */
  at?: string;
  problem?: string;
  /** No name server answers this machine: nothing is known of the records. */
  isUnreached?: true;
}

export interface CaaReport {
  wanted: CaaWanted[];
  checks: CaaCheck[];
}

/** For people: its host, with the path where another CA has the same host. */
export function caNameOf(directoryUrl: string, all: readonly string[]): string {
  const { host, pathname } = new URL(directoryUrl);
  const isShared = all.some((other) => other !== directoryUrl && new URL(other).host === host);
  return isShared ? `${host}${pathname}` : host;
}

/** Addresses have no CAA records (RFC 8738 §5). */
export async function readCaa(
  certificates: readonly CertificateSpec[],
  cas: readonly CaTerms[],
  lookup: CaaLookup,
): Promise<CaaReport> {
  const methods = methodsByName(certificates);
  const work = ([identifier, own]: [string, string[]]) =>
    Promise.all(cas.flatMap((ca) => own.map((method) => checkOne(identifier, ca, method, lookup))));
  const checks = (await inParallel([...methods], NAMES_AT_ONCE, work, ([identifier]) => identifier)).flat();
  return { wanted: [...methods].flatMap(([identifier, own]) => wantedFor(identifier, own, cas)), checks };
}

/** Challenge types by identifier. */
function methodsByName(certificates: readonly CertificateSpec[]): ReadonlyMap<string, string[]> {
  const methods = new Map<string, Set<string>>();
  for (const { challenge, identifiers } of certificates) {
    for (const identifier of identifiers.filter((name) => !isIP(name))) {
      const known = methods.get(identifier) ?? new Set();
      methods.set(identifier, known);
      for (const name of challenge) known.add(methodOf(name));
    }
  }
  return new Map([...methods].map(([identifier, all]) => [identifier, [...all]]));
}

/** The type by which the CA knows it. */
function methodOf(challenge: ChallengeName): string {
  return challenge === 'http-01-stateless' ? 'http-01' : challenge;
}

function wantedFor(identifier: string, methods: readonly string[], cas: readonly CaTerms[]): CaaWanted[] {
  const name = withoutWildcard(identifier);
  const tag = name === identifier ? 'issue' : 'issuewild';
  return cas.flatMap(({ accountUri, caaIdentities: [issuer] }) =>
    issuer === undefined ? [] : [{ name, tag, value: caaValue(issuer, accountUri, methods) }],
  );
}

async function checkOne(
  identifier: string,
  terms: CaTerms,
  method: string,
  lookup: CaaLookup,
): Promise<CaaCheck> {
  const { accountUri, caaIdentities, directoryUrl, fault: caFault } = terms;
  const check = { identifier, directoryUrl, method };
  const { at, fault, records } = await lookup(identifier);
  if (fault !== undefined) {
    const problem = `no answer for the CAA at ${at}: ${dnsFaultText(fault)}`;
    // Where nobody answers this machine, the CA may well have an answer.
    if (isUnreached(fault)) return { ...check, result: 'unknown', problem, isUnreached: true };
    return { ...check, result: 'unknown', problem: `${problem}, a CA may not issue then` };
  }
  if (at === undefined) return { ...check, result: 'allowed' };
  if (caaIdentities.length === 0) {
    const problem = "the CA's domain names are unknown; set acme.caaIdentities";
    return { ...check, at, result: 'unknown', problem };
  }
  const request = { identifier, issuers: caaIdentities, accountUri, method };
  const problem = caaProblem(records, { ...request, isAccountUnknown: isAccountUnknown(terms) });
  if (problem !== undefined) return { ...check, at, result: 'denied', problem };
  if (caaProblem(records, request) === undefined) return { ...check, at, result: 'allowed' };
  const why = `CAA names an account, and which one is ours is not known: ${caFault?.message}`;
  return { ...check, at, result: 'unknown', problem: why };
}
