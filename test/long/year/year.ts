/** A year of passes: the real decisions, failures and budgets, a simulated clock and simulated CAs. */

import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { CaBudget } from '../../../lambda/ca/budget.ts';
import type { CaState } from '../../../lambda/ca/state.ts';
import { DIRECTORIES } from '../../../lambda/config/known-cas.ts';
import { withinBudget } from '../../../lambda/pass/limits/within-budget.ts';
import { makePlan } from '../../../lambda/pass/plan.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { carryOut, type Host, newHost, type Round } from './host.ts';
import { type Period, SimulatedCa, type SimulatedCaOptions } from './simulated-ca.ts';

/** Times since the start of the year. */
export interface YearOptions extends Omit<SimulatedCaOptions, 'random' | 'directoryUrl' | 'isPlain'> {
  certificates: number;
  wakeMinutes: number;
  days?: number;
  /** A second CA, without limits and windows. */
  hasFallback?: boolean;
  /** So many certificates share a registered domain; default: each has its own. */
  perDomain?: number;
  /** Before each pass, and once at the end. */
  onPass?: (view: YearView) => void;
}

/** What a pass is about to find. */
export interface YearView {
  now: number;
  hosts: readonly Host[];
  state: CaState;
}

export interface YearResult {
  ca: SimulatedCa;
  fallback: SimulatedCa | undefined;
  /** Hours that certificates were expired, all of them together. */
  expiredHours: number;
  missingAtEnd: number;
}

const SILENT = { bucket: memoryBucket(), log: () => undefined };
const FIRST = DIRECTORIES['letsencrypt'] ?? '';
const SECOND = 'https://ca.example/directory';
const START = Date.parse('2026-11-22T00:07:00Z');

export function simulateYear(options: YearOptions): YearResult {
  const random = linearCongruential(42);
  const { lifetimeMs, perDomain = 1, hasFallback = false } = options;
  const ca = new SimulatedCa({ ...options, ...shifted(options), directoryUrl: FIRST, random });
  const plain = { directoryUrl: SECOND, lifetimeMs, isPlain: true, random };
  const fallback = hasFallback ? new SimulatedCa(plain) : undefined;
  const hosts = Array.from({ length: options.certificates }, (_, index) => newHost(index, perDomain));
  const wakeMs = options.wakeMinutes * MINUTE_MS;
  // With the quarter that a wake may come late.
  const year = { hosts, cas: fallback ? [ca, fallback] : [ca], random, wakeMs: wakeMs * 1.25 };
  let state: CaState = { version: 1, cas: {}, sets: {} };
  let expiredHours = 0;
  const end = START + (options.days ?? 365) * 24 * HOUR_MS;
  for (let now = START; now < end; now += wakeMs) {
    options.onPass?.({ now, hosts, state });
    // A wake comes a little late, never early.
    state = pass(year, state, now + random() * MINUTE_MS);
    for (const { expiresAt } of hosts) if (expiresAt <= now) expiredHours += wakeMs / HOUR_MS;
  }
  options.onPass?.({ now: end, hosts, state });
  const missingAtEnd = hosts.filter((host) => host.published === undefined).length;
  return { ca, fallback, expiredHours, missingAtEnd };
}

interface Year {
  hosts: readonly Host[];
  cas: readonly SimulatedCa[];
  random: () => number;
  wakeMs: number;
}

/** @returns the state of the CAs as the pass leaves it */
function pass({ hosts, cas, random, wakeMs }: Year, before: CaState, now: number): CaState {
  for (const host of hosts) if (host.pollAfter <= now) refresh(host, cas, now);
  const awake = hosts.filter((host) => host.asleepUntil <= now);
  if (awake.length === 0) return before;
  const date = new Date(now);
  const budget = new CaBudget({ ...SILENT, now: () => date }, before);
  const choices = cas.map(({ directoryUrl }) => ({
    directoryUrl,
    pausedUntil: budget.pausedUntil(directoryUrl),
    avoidedUntil: budget.avoidedUntil(directoryUrl),
  }));
  const plans = awake.map(({ spec, published, stored, window }) => {
    const windows = new Map(window === undefined ? [] : [[published?.pems[0]?.certId ?? '', window]]);
    const context = { cas: choices, windows, forced: false, now: date, wakeMs, budget };
    return makePlan({ spec, published, stored, isFreshKey: false }, context);
  });
  const byName = new Map(awake.map((host) => [host.spec.name, host]));
  const round: Round = { cas, random, wakeMs, budget, date };
  for (const plan of withinBudget(plans, budget)) {
    carryOut(round, byName.get(plan.spec.name) as Host, plan);
  }
  // As the issuer does: what has not changed is not written, and not pruned.
  return budget.state === before ? before : budget.pruned();
}

/** What changes wakes the certificate; where nothing does, its decision is the same as before. */
function refresh(host: Host, cas: readonly SimulatedCa[], now: number): void {
  const [pem] = host.published?.pems ?? [];
  const ca = cas.find(({ directoryUrl }) => directoryUrl === host.published?.issued.directoryUrl);
  if (pem === undefined || ca === undefined || ca.isDown(now)) return;
  const window = ca.renewalInfo(pem, host.window, now);
  host.pollAfter = window?.pollAfter ?? Number.POSITIVE_INFINITY;
  if (window?.start.getTime() !== host.window?.start.getTime()) host.asleepUntil = now;
  host.window = window;
}

/** Times are given since the start. */
function shifted({ outages, hangs, revocationAt, deactivatedAt }: YearOptions): Partial<SimulatedCaOptions> {
  const late = (periods: readonly Period[]) =>
    periods.map(({ from, to }) => ({ from: START + from, to: START + to }));
  return {
    ...(outages && { outages: late(outages) }),
    ...(hangs && { hangs: late(hangs) }),
    ...(revocationAt !== undefined && { revocationAt: START + revocationAt }),
    ...(deactivatedAt !== undefined && { deactivatedAt: START + deactivatedAt }),
  };
}

/** Numerical Recipes' generator: the same year every time. */
function linearCongruential(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
