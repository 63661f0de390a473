/** What holds an order back: which limit, what it allows, until when. For people, and for the next command that asks. */

import { spanText } from '#common/time.ts';
import type { Limit, LimitKind } from '../config/limits.ts';
import type { Demand } from './demands.ts';
import type { HeldGroup } from './state.ts';

export interface HeldBack {
  directoryUrl: string;
  limit: LimitKind;
  /** A registered domain or a name; absent for limits of the account, and where the certificate's own names are meant. */
  subject?: string | undefined;
  /** What the limit allows: `50 certificates of example.com in 7 days`. */
  text: string;
  until: Date;
}

/** @param limit undefined: the CA has refused, and how much it allows is not known */
export function heldBackBy(
  directoryUrl: string,
  { kind, subject }: Demand,
  limit: Limit | undefined,
  until: Date,
): HeldBack {
  const isNamed = kind !== 'newOrders' && kind !== 'certificatesPerNames' && kind !== 'newAccounts';
  const of = WORDS[kind].replace('SUBJECT', subject);
  const text =
    limit === undefined ? `the CA takes no more ${of} now` : `${limit.count} ${of}${spanOf(kind, limit)}`;
  return { directoryUrl, limit: kind, ...(isNamed && { subject }), text, until };
}

/** What holds an order back the longest. */
export function latestOf(all: readonly HeldBack[]): HeldBack | undefined {
  return all.reduce<HeldBack | undefined>(
    (latest, one) => (latest === undefined || one.until > latest.until ? one : latest),
    undefined,
  );
}

const WORDS: Readonly<Record<LimitKind, string>> = {
  newOrders: 'new orders of the account',
  certificatesPerDomain: 'certificates of SUBJECT',
  certificatesPerNames: 'certificates of these names',
  failedValidations: 'failed validations of SUBJECT',
  consecutiveFailures: 'failed validations of SUBJECT in a row',
  newAccounts: 'new accounts',
};

function spanOf(kind: LimitKind, { perMs }: Limit): string {
  if (kind === 'consecutiveFailures') return ', then the CA pauses it';
  return ` in ${spanText(perMs)}`;
}

/** Groups that the state keeps, and examples in each. */
const [MAX_GROUPS, MAX_EXAMPLES] = [50, 10];

interface Held {
  name: string;
  by: HeldBack;
}

/** One line for each limit that something waits for, the largest first. */
export function heldGroupsOf(all: readonly Held[]): HeldGroup[] {
  const groups = new Map<string, HeldGroup>();
  for (const { name, by } of all) {
    const { directoryUrl, limit, subject, text, until } = by;
    const key = JSON.stringify([directoryUrl, limit, subject]);
    const fresh = { directoryUrl, limit, subject, text, certificates: 0, examples: [], from: until, until };
    const group: HeldGroup = groups.get(key) ?? fresh;
    groups.set(key, {
      ...group,
      certificates: group.certificates + 1,
      examples: [...group.examples, name].slice(0, MAX_EXAMPLES),
      from: until < group.from ? until : group.from,
      until: until > group.until ? until : group.until,
    });
  }
  return [...groups.values()].sort((a, b) => b.certificates - a.certificates).slice(0, MAX_GROUPS);
}
