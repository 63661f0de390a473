/** A year of passes over a thousand certificates: the real decisions, failures and budgets, a simulated clock and CA. */
import { HOUR_MS } from '#common/time.ts';
import { type CertificateName, certificateName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { CaBudget } from '../../../lambda/ca/budget.ts';
import type { CaState } from '../../../lambda/ca/state.ts';
import type { CertificateSpec } from '../../../lambda/config/config.ts';
import { afterFailure } from '../../../lambda/order/back-off.ts';
import type { OrderRecord, StoredRecord } from '../../../lambda/order/record.ts';
import { withinBudget } from '../../../lambda/pass/limits/within-budget.ts';
import { makePlan, type Plan } from '../../../lambda/pass/plan.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { type Known, SimulatedCa, type SimulatedCaOptions } from './simulated-ca.ts';

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

interface Year {
  hosts: readonly Host[];
  ca: SimulatedCa;
  random: () => number;
  /** With the quarter that a wake may come late. */
  wakeMs: number;
}

interface YearPass {
  budget: CaBudget;
  date: Date;
}

const SILENT = { bucket: memoryBucket(), log: () => undefined };
const DIRECTORY = 'https://ca.example/directory';
const START = Date.parse('2026-11-22T00:07:00Z');

export function simulateYear(options: YearOptions): YearResult {
  const random = linearCongruential(42);
  const ca = new SimulatedCa({ ...options, ...shifted(options), random });
  const hosts = Array.from({ length: options.certificates }, (_, index) => newHost(index));
  const wakeMs = options.wakeMinutes * 60_000;
  const year: Year = { hosts, ca, random, wakeMs: wakeMs * 1.25 };
  let state: CaState = { version: 1, cas: {}, sets: {} };
  let expiredHours = 0;
  for (let now = START; now < START + (options.days ?? 365) * 24 * HOUR_MS; now += wakeMs) {
    // A wake comes a little late, never early.
    state = pass(year, state, now + random() * 60_000);
    expiredHours += (hosts.filter((host) => host.expiresAt <= now).length * wakeMs) / HOUR_MS;
  }
  return { ca, expiredHours, missingAtEnd: hosts.filter((host) => host.published === undefined).length };
}

/** @returns the state of the CA as the pass leaves it */
function pass(year: Year, before: CaState, now: number): CaState {
  const { hosts, ca, wakeMs } = year;
  const awake = hosts.filter((host) => host.asleepUntil <= now);
  if (awake.length === 0) return before;
  for (const host of awake) refresh(host, ca, now);
  const date = new Date(now);
  const budget = new CaBudget({ ...SILENT, now: () => date }, before);
  const cas = [{ directoryUrl: DIRECTORY, pausedUntil: budget.pausedUntil(DIRECTORY) }];
  const plans = awake.map(({ spec, published, stored, window }) => {
    const windows = new Map(window === undefined ? [] : [[published?.pems[0]?.certId ?? '', window]]);
    const context = { cas, windows, forced: false, now: date, wakeMs };
    return makePlan({ spec, published, stored, isFreshKey: false }, context);
  });
  const byName = new Map(awake.map((host) => [host.spec.name, host]));
  for (const plan of withinBudget(plans, budget)) {
    carryOut(year, byName.get(plan.spec.name) as Host, plan, { budget, date });
  }
  // As the issuer does: what has not changed is not written, and not pruned.
  return budget.state === before ? before : budget.pruned();
}

function refresh(host: Host, ca: SimulatedCa, now: number): void {
  const [pem] = host.published?.pems ?? [];
  if (pem === undefined || (host.window !== undefined && host.window.pollAfter > now) || ca.isDown(now)) {
    return;
  }
  host.window = ca.renewalInfo(pem, host.window, now);
}

function carryOut({ ca, random, wakeMs }: Year, host: Host, plan: Plan, { budget, date }: YearPass): void {
  const { decision } = plan;
  const now = date.getTime();
  if (decision.action === 'keep') {
    host.asleepUntil = Math.min(decision.until.getTime() - 2 * wakeMs, host.window?.pollAfter ?? now);
    return;
  }
  if (decision.action === 'defer') {
    host.asleepUntil = 'until' in decision ? decision.until.getTime() : now;
    return;
  }
  const request = { directoryUrl: DIRECTORY, identifiers: host.spec.identifiers, count: 1 };
  const paused = budget.pausedUntil(DIRECTORY);
  if (paused !== undefined && paused > date) {
    budget.release(request);
    return;
  }
  const record = plan.stored?.record ?? newRecord(host.spec, date);
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
    budget.recordIssued(request);
  } catch (error) {
    const failed = { ...record, ...afterFailure(record, error, date, random()) };
    host.stored = { name: host.spec.name, isResumed: true, record: failed, etag: '' };
    budget.release(request);
    budget.recordFailure(DIRECTORY, error, true);
  }
}

function newHost(index: number): Host {
  const name: CertificateName = certificateName.parse(`c${index}.example.com`);
  const spec = {
    name,
    identifiers: [name as string],
    challenge: ['http-01' as const],
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
