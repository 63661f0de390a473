/** Hosts that should be there (`hosts.expected` of pemfleet.yaml) and are not; pure. */
import type { ExpectedHosts } from '../config/hosts.ts';
import { isSilent } from './behind.ts';

/** A host as the bucket knows it. */
export interface PresentHost {
  host: string;
  /** It was shut down, or is away for a reboot. */
  leftAt?: Date | undefined;
}

export interface MissingHosts {
  /** How many are missing. */
  count: number;
  /** Their names, where the configuration lists names. */
  names: string[];
  /** How many there should be. */
  expected: number;
}

/** A host that has left counts as there for as long as a reboot may take. A silent one is there: it has come. */
export function missingHosts(
  expected: ExpectedHosts | undefined,
  hosts: readonly PresentHost[],
  now: Date,
): MissingHosts {
  const present = hosts.filter(({ leftAt }) => leftAt === undefined || !isSilent(leftAt, now));
  if (typeof expected === 'number') {
    return { count: Math.max(0, expected - present.length), names: [], expected };
  }
  const there = new Set(present.map(({ host }) => host));
  const names = (expected ?? []).filter((name) => !there.has(name));
  return { count: names.length, names, expected: expected?.length ?? 0 };
}
