/**
 * Of a host's status, what the issuer reads: members that this version does not know are left out, and equal texts are one text. A hundred
 * hosts that serve a thousand certificates say the same names, digests and serials a hundred times.
 */
import type { ReadStatus } from '../read-status.ts';

/** `true`: a value without members of its own. */
type MembersOf<T> = T extends string | number | boolean
  ? true
  : T extends readonly (infer E)[]
    ? MembersOf<E>
    : T extends object
      ? { [K in keyof T as string extends K ? never : K]-?: MembersOf<NonNullable<T[K]>> }
      : true;
type Members = true | { readonly [member: string]: Members };

const FAILURE = { code: true, message: true } as const;
const SINCE = { since: true, message: true } as const;

const STATUS: Omit<MembersOf<ReadStatus>, 'unlisted'> = {
  ...{
    version: true,
    fleet: true,
    host: true,
    reportedAt: true,
    leftAt: true,
    contract: true,
    clockOffsetMs: true,
  },
  ...{ manifest: true, head: true, error: FAILURE },
  agent: { version: true },
  trust: { key: true, isConfirmed: true, recovery: true },
  conditions: { condition: true, ...SINCE },
  haproxy: { name: true, socket: true, version: true, pid: true },
  files: {
    ...{ file: true, instance: true, certificate: true, state: true, since: true, handshakes: true },
    ...{ provenAt: true, isUnlisted: true, notAfter: true, receipt: true, error: FAILURE },
    wanted: { sha256: true, serial: true },
    disk: { sha256: true },
    runtime: { serial: true, notAfter: true, chainLength: true },
    unproven: { reason: true, ...SINCE },
    wire: {
      ...{ address: true, name: true, serial: true, issuer: true, file: true },
      ...{ wrong: true, samples: true, listener: true, at: true },
    },
    overlaps: { name: true, by: true },
    staple: { nextUpdate: true },
  },
  removals: {
    ...{ file: true, instance: true, certificate: true, state: true, since: true },
    error: FAILURE,
  },
  endedEntries: { certificate: true, sha256: true },
  proofs: { spanMs: true, oldest: true, unproven: true },
  drift: {
    ...{ kind: true, file: true, instance: true, certificate: true },
    ...{ first: true, at: true, count: true, days: true, culprit: true },
  },
};
/** Its members are states, which the schema has checked. */
const UNLISTED = { served: true, pending: true, failed: true, 'needs-reload': true } as const;
const MEMBERS: Members = { ...STATUS, unlisted: UNLISTED };

/** What was met before in the statuses that are read together, each by itself: texts, and small values by their JSON. Nobody changes them. */
export interface KnownTexts {
  texts: Map<string, string>;
  values: Map<string, unknown>;
}

export const noTexts = (): KnownTexts => ({ texts: new Map(), values: new Map() });

export function leanStatus(status: ReadStatus, known: KnownTexts): ReadStatus {
  return lean(status, MEMBERS, known) as ReadStatus;
}

function lean(value: unknown, members: Members, known: KnownTexts): unknown {
  if (typeof value === 'string') return sameOf(known.texts, value, value);
  if (typeof value !== 'object' || value === null) return value;
  const made = Array.isArray(value)
    ? value.map((one) => lean(one, members, known))
    : leanMembers(value as Record<string, unknown>, members, known);
  const isSmall = Object.values(made).every((one) => typeof one !== 'object');
  return isSmall ? sameOf(known.values, JSON.stringify(made), made) : made;
}

function leanMembers(
  value: Readonly<Record<string, unknown>>,
  members: Members,
  known: KnownTexts,
): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  if (members === true) return made;
  for (const member in members) {
    const held = value[member];
    if (held !== undefined) made[member] = lean(held, members[member] as Members, known);
  }
  return made;
}

function sameOf<T>(known: Map<string, T>, key: string, value: T): T {
  const same = known.get(key);
  if (same !== undefined) return same;
  known.set(key, value);
  return value;
}
