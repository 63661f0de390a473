/**
 * The TXT record of dns-persist-01, which stays in the zone (draft-ietf-acme-dns-persist-02 §4.1): its name, what it has to say, and
 * whether one says it; pure. CAs of the drafts 00 and 01 want the account's URL in it, those of draft 02 a digest of it.
 */

import { createHash } from 'node:crypto';
import { withoutWildcard } from '../config/identifier.ts';
import { issueValueText, parseIssueValue } from './issue-value.ts';
import type { PersistTerms } from './solver.ts';

/** @param identifier DNS name; of a wildcard, the record is that of the name without `*.` */
export function persistName(identifier: string): string {
  return `_validation-persist.${withoutWildcard(identifier)}`;
}

/** What to publish. */
export function persistValue({ issuerDomainNames, accountUris, isWildcard }: PersistTerms): string {
  const [issuer = '', uri = ''] = [issuerDomainNames[0], accountUris[0]];
  return issueValueText(issuer, [
    ['accounturi', uri],
    ...(isWildcard ? [['policy', 'wildcard'] as const] : []),
  ]);
}

/**
 * §4.1: `<accountHashPrefix>sha-256/<digest>`, so that nobody who reads the zone learns the account.
 * @param domain that the record is for, or `*`: a digest that any domain may use
 * @param thumbprint RFC 7638, base64url
 */
export function hashedAccountUri(
  prefix: string,
  domain: string,
  { accountUrl, thumbprint }: { accountUrl: string; thumbprint: string },
): string {
  const length = Buffer.from([Buffer.byteLength(domain)]);
  const digest = createHash('sha256').update(length).update(`${domain}${thumbprint}${accountUrl}`);
  return `${prefix}sha-256/${digest.digest('base64url')}`;
}

/**
 * @param values of the TXT records at the name
 * @returns why none of them lets this CA issue to our account; undefined: one does
 */
export function persistProblem(
  values: readonly string[],
  terms: PersistTerms,
  now: Date,
): string | undefined {
  if (values.length === 0) return 'there is no TXT record';
  const problems = values.map((value) => problemOfValue(value, terms, now));
  if (problems.includes(undefined)) return undefined;
  const [own] = problems.filter((problem) => problem !== OF_ANOTHER_CA);
  return own ?? OF_ANOTHER_CA;
}

const OF_ANOTHER_CA = 'its TXT records name other CAs only';

function problemOfValue(text: string, terms: PersistTerms, now: Date): string | undefined {
  const value = parseIssueValue(text);
  if (value === undefined || !terms.issuerDomainNames.includes(value.issuer)) return OF_ANOTHER_CA;
  const { parameters } = value;
  const uri = parameters.get('accounturi');
  if (uri === undefined) return 'its TXT record names no accounturi';
  if (!isOurs(uri, terms)) return `its TXT record names the account ${uri}`;
  if (terms.isWildcard && parameters.get('policy')?.toLowerCase() !== 'wildcard') {
    return 'its TXT record has no policy=wildcard';
  }
  const until = parameters.get('persistuntil');
  if (until === undefined) return undefined;
  if (!/^\d{1,12}$/.test(until)) return 'its TXT record has a persistUntil that is no UNIX time';
  const end = Number(until) * 1000;
  return end > now.getTime() ? undefined : `its TXT record was valid until ${new Date(end).toISOString()}`;
}

/** Another digest under the CA's prefix may be that of an earlier key of our account: the CA judges. */
function isOurs(uri: string, { accountUris, accountHashPrefix }: PersistTerms): boolean {
  return accountUris.includes(uri) || (accountHashPrefix !== undefined && uri.startsWith(accountHashPrefix));
}
