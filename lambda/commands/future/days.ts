/** `pemfleet plan --days N`: what the passes of the next days will do, for people and as data. */

import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { minuteText, spanText } from '#common/time.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../../config/config.ts';
import { knownCaOf } from '../../config/known-cas.ts';
import { type Forecast, type ForecastOrder, forecast } from '../../forecast/forecast.ts';
import type { UnconfiguredOutcome } from '../../outcome.ts';
import type { Plan } from '../../pass/plan.ts';
import { readStoredWindows } from '../../pass/renewal-windows.ts';
import type { Decided } from '../../pass/run-pass.ts';
import { UsageError } from '../line/options.ts';

/** More than a year says nothing that a year does not say. */
const MOST_DAYS = 400;
/** Lines for people; --json has all. */
const [MOST_ORDERS, MOST_LIMITS, MOST_OPEN] = [100, 5, 20];

/** What no forecast knows, in the order of its weight. */
const ASSUMPTIONS = [
  'a CA may move a window at any time (RFC 9773), and revoke: the next pass that asks obeys',
  'a certificate that is still to be issued is taken to have the lifetime and the window of the last one',
  'each order is taken to succeed at once: pemfleet plan --check asks whether it can, pemfleet drill how long many take',
] as const;

/** @throws UsageError */
export function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= MOST_DAYS) return days;
  throw new UsageError(`--days wants a whole number from 1 to ${MOST_DAYS}, saw ${text}`);
}

export interface Future extends Forecast {
  /** Published, not renewed by anybody, and over before the end of the span. */
  ending: readonly Ending[];
}

interface Ending {
  fleet: string;
  certificate: string;
  notAfter: string;
}

/** @param now when the pass that has decided began */
export async function readFuture(
  { bucket, config }: { bucket: Bucket; config: Config },
  decided: Decided,
  unconfigured: readonly UnconfiguredOutcome[],
  { days, now }: { days: number; now: Date },
): Promise<Future> {
  const windows = await readStoredWindows(bucket);
  const future = forecast({ bucket, config, ...decided, windows, from: now }, days);
  const all = [...unconfigured, ...decided.plans.flatMap(importedIn)];
  const ending = all.filter(({ notAfter }) => new Date(notAfter) <= future.until);
  return { ...future, ending: ending.sort((a, b) => a.notAfter.localeCompare(b.notAfter)) };
}

/** Of a pair, its first end. */
function importedIn({ spec, published }: Plan): Ending[] {
  const ends = (published?.pems ?? []).map(({ notAfter }) => notAfter).sort();
  const [notAfter] = ends;
  if (!spec.imported || notAfter === undefined) return [];
  return spec.fleets.map((fleet) => ({ fleet, certificate: spec.name, notAfter }));
}

export function futureDocument({ from, until, wakeMinutes, orders, open, limits, ending }: Future) {
  return {
    ...{ from: from.toISOString(), until: until.toISOString(), wakeMinutes },
    orders: orders.map(({ at, earliest, latest, held, ...order }) => ({
      ...{ ...order, at: at.toISOString() },
      ...{ earliest: earliest.toISOString(), latest: latest.toISOString() },
      ...(held && { heldBackBy: held.text, heldBackSince: held.since.toISOString() }),
    })),
    open,
    limits: limits.map(({ at, ...limit }) => ({ ...limit, at: at.toISOString() })),
    ending: ending.map(({ fleet, certificate, notAfter }) => ({ fleet, certificate, notAfter })),
    assumptions: ASSUMPTIONS,
  };
}

export function futureText(future: Future): string {
  const { from, until, orders, open, limits, ending } = future;
  const certificates = new Set(orders.map(({ certificate }) => certificate)).size;
  const days = spanText(until.getTime() - from.getTime());
  const head = `the next ${days}, until ${minuteText(until.toISOString())}: ${orders.length} orders for ${certificates} certificates`;
  const lines = [
    ...open
      .slice(0, MOST_OPEN)
      .map((one) => `open: ${one.certificate}: ${OPEN_WORDS[one.reason] ?? one.reason}`),
    ...more(open.length - MOST_OPEN),
    ...ending
      .slice(0, MOST_OPEN)
      .map(
        ({ fleet, certificate, notAfter }) =>
          `ends: ${certificate} of fleet ${fleet}, ${minuteText(notAfter)}: nobody renews it`,
      ),
    ...more(ending.length - MOST_OPEN),
    ...limits
      .slice(0, MOST_LIMITS)
      .map(
        ({ directoryUrl, text, left, at }) =>
          `limit: ${text} at ${caText(directoryUrl)}: ${left} left, ${minuteText(at.toISOString())}`,
      ),
    ...ASSUMPTIONS.map((one) => `not known: ${one}`),
  ];
  return `${head}\n${ordersTable(orders)}${lines.map((line) => `${printable(line)}\n`).join('')}`;
}

/** Of the reasons why nobody can say when. */
const OPEN_WORDS: Readonly<Record<string, string>> = {
  'import-missing': 'it is configured as imported, and nothing is: pemfleet import',
  'import-names': 'what is imported lacks a configured name: pemfleet import',
  held: 'an operator holds it: pemfleet hold shows why, pemfleet resume ends it',
  'names-moving': 'waits until hosts have proved the certificate that gets its names',
  'trusted-in-force': 'browsers trust what is in force, and would not trust what the CA issues',
  'lifetime-unknown': 'nothing says how long its next certificate will be valid: set lifetime at its CA',
};

function ordersTable(orders: readonly ForecastOrder[]): string {
  if (orders.length === 0) return '';
  const head = ['CERTIFICATE', 'ORDERED', 'SURE', 'WHY', 'CA', ''];
  const rows = orders
    .slice(0, MOST_ORDERS)
    .map((order) => [
      ...[order.certificate, minuteText(order.at.toISOString()), sureText(order)],
      ...[order.reason, caText(order.directoryUrl)],
      order.held === undefined
        ? ''
        : `waits since ${minuteText(order.held.since.toISOString())}: ${order.held.text}`,
    ]);
  return `${table([head, ...rows])}${more(orders.length - MOST_ORDERS)
    .map((line) => `${line}\n`)
    .join('')}`;
}

const more = (count: number) => (count > 0 ? [`… and ${count} more; --json has all`] : []);

function sureText({ at, earliest, latest, basis }: ForecastOrder): string {
  if (basis !== 'expected') return basis === 'now' ? 'next pass' : 'known';
  const off = Math.max(at.getTime() - earliest.getTime(), latest.getTime() - at.getTime());
  return `± ${spanText(off)}`;
}

const caText = (directoryUrl: string) => knownCaOf(directoryUrl)?.word ?? new URL(directoryUrl).host;
