/** What one certificate takes from the limits of its CA. Pure. */

import { createHash } from 'node:crypto';
import { exactSet, withoutWildcard } from '../config/identifier.ts';
import type { CaLimits, LimitKind } from '../config/limits.ts';
import { registeredDomainsOf } from './registered-domain.ts';

/** New orders of one certificate, for one set of identifiers. */
export interface BudgetRequest {
  directoryUrl: string;
  identifiers: readonly string[];
  /** Orders that are to be placed; those that the CA has given out already cost none. */
  count: number;
  /** Certificates that follow; default: `count`. A resumed order still brings its certificate. */
  certificates?: number | undefined;
  /**
   * What a CA may exempt. `in-window`: the orders name their predecessors (`replaces`) inside the suggested window (RFC 9773 §5).
   * `same-names`: this CA has issued for exactly these names before, lately enough.
   */
  renewal?: 'in-window' | 'same-names' | undefined;
  /** Only the CA itself holds it back. */
  isEmergency?: boolean | undefined;
}

/** So many tokens from the bucket of one subject. */
export interface Demand {
  kind: LimitKind;
  /** `account`, a registered domain, a name, or the digest of a set of names. */
  subject: string;
  tokens: number;
}

export const ACCOUNT = 'account';

function certificatesOf({ certificates, count }: BudgetRequest): number {
  return certificates ?? count;
}

/** Also what the CA does not count for this request. */
export function demandsOf(request: BudgetRequest): Demand[] {
  const { identifiers, count } = request;
  const certificates = certificatesOf(request);
  const names = validatedNames(identifiers);
  const each = (kind: LimitKind, subjects: readonly string[], tokens: number): Demand[] =>
    subjects.map((subject) => ({ kind, subject, tokens }));
  return [
    ...each('newOrders', [ACCOUNT], count),
    ...each('certificatesPerDomain', registeredDomainsOf(identifiers), certificates),
    ...each('certificatesPerNames', [setKey(request)], certificates),
    ...each('failedValidations', names, 1),
    ...each('consecutiveFailures', names, 1),
  ];
}

/** Whether the CA does not hold this limit against the request. */
export function isExempt(limits: CaLimits, { renewal }: BudgetRequest, kind: LimitKind): boolean {
  if (renewal === 'in-window') return limits.exemptInWindow.includes(kind);
  return renewal === 'same-names' && limits.exemptSameNames.includes(kind);
}

/** Names that are validated: the authorization of a wildcard is one of the name below it. */
export function validatedNames(identifiers: readonly string[]): string[] {
  return [...new Set(identifiers.map(withoutWildcard))];
}

export function setKey({
  directoryUrl,
  identifiers,
}: Pick<BudgetRequest, 'directoryUrl' | 'identifiers'>): string {
  return createHash('sha256')
    .update(`${directoryUrl} ${exactSet(identifiers)}`)
    .digest('hex')
    .slice(0, 16);
}
