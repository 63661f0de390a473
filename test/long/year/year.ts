/** A year of passes over a thousand certificates: the real decisions, failures and budgets, a simulated clock and CA. */
import { type CertificateName, certificateName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { AcmeProblem } from '../../../lambda/acme/problem.ts';
import { type CaState, pruned, release, withIssued } from '../../../lambda/ca/budget.ts';
import { isPausing, pausedUntil, withPause } from '../../../lambda/ca/pause.ts';
import type { CertificateSpec } from '../../../lambda/config/config.ts';
import { afterFailure } from '../../../lambda/order/back-off.ts';
import type { OrderRecord, StoredRecord } from '../../../lambda/order/record.ts';
import { makePlan, type Plan, withinBudget } from '../../../lambda/pass/plan.ts';
import { HOUR_MS, type Known, SimulatedCa, type SimulatedCaOptions } from './simulated-ca.ts';

export interface YearOptions extends Omit<SimulatedCaOptions, 'random'> {
  certificates: number;
  wakeMinutes: number;
  days?: number;
}

export interface YearResult {
  ca: SimulatedCa;
  /** Hours that certificates were expired, all of them together. */
  expiredHours: number;
  missingAtEnd: number;
}

interface Host {
  spec: CertificateSpec;
  published: ManifestEntry | undefined;
  stored: StoredRecord | undefined;
  window: Known | undefined;
  /** Nothing can change before: passes in between would decide the same. */
  asleepUntil: number;
  expiresAt: number;
}

const DIRECTORY = 'https://ca.example/directory';
const START = Date.parse('2026-11-22T00:07:00Z');

export function simulateYear(options: YearOptions): YearResult {
  const random = linearCongruential(42);
  const ca = new SimulatedCa({ ...options, ...shifted(options), random });
  const hosts = Array.from({ length: options.certificates }, (_, index) => newHost(index));
  const wakeMs = options.wakeMinutes * 60_000;
  let state: CaState = { version: 1, cas: {}, sets: {} };
  let expiredHours = 0;
  for (let now = START; now < START + (options.days ?? 365) * 24 * HOUR_MS; now += wakeMs) {
    // A wake comes a little late, never early.
    state = pass(hosts, ca, state, now + random() * 60_000, options.wakeMinutes, random);
    expiredHours += (hosts.filter((host) => host.expiresAt <= now).length * wakeMs) / HOUR_MS;
  }
  return { ca, expiredHours, missingAtEnd: hosts.filter((host) => host.published === undefined).length };
}

function pass(
  hosts: readonly Host[],
  ca: SimulatedCa,
  before: CaState,
  now: number,
  wakeMinutes: number,
  random: () => number,
): CaState {
  const awake = hosts.filter((host) => host.asleepUntil <= now);
  if (awake.length === 0) return before;
  for (const host of awake) refresh(host, ca, now);
  const date = new Date(now);
  const wakeMs = wakeMinutes * 60_000 * 1.25;
  const cas = [{ directoryUrl: DIRECTORY, pausedUntil: pausedUntil(before, DIRECTORY) }];
  const plans = awake.map((host) => {
    const windows = new Map(
      host.window === undefined ? [] : [[host.published?.pems[0]?.certId ?? '', host.window]],
    );
    const context = { cas, windows, forced: false, now: date, wakeMs };
    return makePlan(host.spec, host.published, host.stored, context, false);
  });
  const budgeted = withinBudget(plans, before, 250, date);
  let { state } = budgeted;
  const byName = new Map(awake.map((host) => [host.spec.name, host]));
  for (const plan of budgeted.plans)
    state = carryOut(byName.get(plan.spec.name) as Host, plan, ca, state, now, random, wakeMs);
  // As the issuer does: what has not changed is not written, and not pruned.
  return state === before ? before : pruned(state, date);
}

function refresh(host: Host, ca: SimulatedCa, now: number): void {
  const [pem] = host.published?.pems ?? [];
  if (pem === undefined || (host.window !== undefined && host.window.pollAfter > now) || ca.isDown(now))
    return;
  host.window = ca.renewalInfo(pem, host.window, now);
}

function carryOut(
  host: Host,
  plan: Plan,
  ca: SimulatedCa,
  state: CaState,
  now: number,
  random: () => number,
  wakeMs: number,
): CaState {
  const { decision } = plan;
  if (decision.action === 'keep') {
    host.asleepUntil = Math.min(decision.until.getTime() - 2 * wakeMs, host.window?.pollAfter ?? now);
    return state;
  }
  if (decision.action === 'defer') {
    host.asleepUntil = decision.until.getTime();
    return state;
  }
  const paused = pausedUntil(state, DIRECTORY);
  if (paused !== undefined && paused.getTime() > now) {
    return release(
      state,
      { directoryUrl: DIRECTORY, identifiers: host.spec.identifiers, count: 1 },
      new Date(now),
    );
  }
  const date = new Date(now);
  const wish = { directoryUrl: DIRECTORY, identifiers: host.spec.identifiers, count: 1 };
  host.stored = plan.stored ?? { name: host.spec.name, record: newRecord(host.spec, date), etag: '' };
  try {
    const pem = ca.order(host.spec.name, host.published?.pems[0], now);
    const issued = { directoryUrl: DIRECTORY, accountUrl: DIRECTORY };
    host.published = {
      identifiers: host.spec.identifiers,
      publishedAt: date.toISOString(),
      issued,
      pems: [pem],
    };
    Object.assign(host, {
      stored: undefined,
      window: undefined,
      asleepUntil: now,
      expiresAt: Date.parse(pem.notAfter),
    });
    return withIssued(state, wish, date);
  } catch (error) {
    host.stored.record = {
      ...host.stored.record,
      ...afterFailure(host.stored.record, error, date, random()),
    };
    const uncounted = release(state, wish, date);
    const isPause = error instanceof AcmeProblem && isPausing(error);
    return isPause ? withPause(uncounted, DIRECTORY, error, date) : uncounted;
  }
}

function newHost(index: number): Host {
  const name: CertificateName = certificateName.parse(`c${index}.example.com`);
  const spec = {
    name,
    identifiers: [name as string],
    keyTypes: ['ec256' as const],
    reuseKey: false,
    fleets: [],
  };
  return {
    spec,
    published: undefined,
    stored: undefined,
    window: undefined,
    asleepUntil: 0,
    expiresAt: Number.POSITIVE_INFINITY,
  };
}

function newRecord(spec: CertificateSpec, now: Date): OrderRecord {
  const legs = [{ keyType: 'ec256', key: '', presented: [] }];
  return {
    version: 1,
    createdAt: now,
    directoryUrl: DIRECTORY,
    identifiers: spec.identifiers,
    legs,
    failures: 0,
    notBefore: now,
  };
}

/** Outages and revocations are given in time since the start. */
function shifted({ outages, revocationAt }: YearOptions): Partial<SimulatedCaOptions> {
  return {
    ...(outages && { outages: outages.map(({ from, to }) => ({ from: START + from, to: START + to })) }),
    ...(revocationAt !== undefined && { revocationAt: START + revocationAt }),
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
