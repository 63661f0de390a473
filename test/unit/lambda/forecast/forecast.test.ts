/** `plan --days` against what a simulated year then really does, and what it says of limits and of what nobody can know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import { type Config, checkConfig } from '../../../../lambda/config/config.ts';
import { latestWakeMs } from '../../../../lambda/config/schedule.ts';
import { type Forecast, forecast } from '../../../../lambda/forecast/forecast.ts';
import { caChoices, makePlan } from '../../../../lambda/pass/plan.ts';
import type { Host } from '../../../long/year/host.ts';
import { simulateYear, type YearView } from '../../../long/year/year.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';

const bucket = memoryBucket();

function configOf(wakeMinutes: number, acme: object = {}): Config {
  return checkConfig('pemfleet.yaml', {
    bucket: 'file:///srv/bucket',
    acme: { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true, ...acme },
    challenge: 'http-01',
    wakeMinutes,
    certificates: [{ identifiers: ['unused.example.com'], fleets: ['edge'] }],
  });
}

/** What a dry run at this moment would find. */
function futureOf({ now, hosts, state }: YearView, config: Config, days: number): Forecast {
  const from = new Date(now);
  const budget = new CaBudget({ bucket, config, now: () => from, log: () => undefined }, state);
  const windows = new Map(
    hosts.flatMap(({ published, window }) =>
      window === undefined ? [] : [[published?.pems[0]?.certId ?? '', window] as const],
    ),
  );
  const wakeMs = latestWakeMs(config.wakeMinutes);
  const context = { cas: caChoices(config, budget), budget, windows, forced: false, now: from, wakeMs };
  const plans = hosts.map(({ spec, published, stored }) =>
    makePlan({ spec, published, stored, isFreshKey: false }, context),
  );
  return forecast({ config, bucket, plans, windows, caState: state, from }, days);
}

interface Issued {
  certificate: string;
  at: number;
}

/** @returns the forecast made on a day of a simulated year, and what was issued from then on, until `days` later */
function compare(lifetimeMs: number, wakeMinutes: number, days: number, certificates = 40) {
  const config = configOf(wakeMinutes);
  const begin = Math.round((lifetimeMs / DAY_MS) * 1.6);
  const known = new Map<Host, string | undefined>();
  const issued: Issued[] = [];
  let future: Forecast | undefined;
  let end = 0;
  const onPass = (view: YearView) => {
    end = view.now;
    for (const host of view.hosts) {
      const at = host.published?.publishedAt;
      if (future && at !== undefined && at !== known.get(host)) {
        issued.push({ certificate: host.spec.name, at: Date.parse(at) });
      }
      known.set(host, at);
    }
    startOfYear ??= view.now;
    if (view.now >= startOfYear + begin * DAY_MS) future ??= futureOf(view, config, days);
  };
  let startOfYear: number | undefined;
  simulateYear({ certificates, lifetimeMs, wakeMinutes, days: begin + days, onPass });
  assert.ok(future !== undefined);
  return { future, issued, end };
}

/** Pairs the renewals of each certificate with those of its forecast, in their order. @returns what does not fit */
function differences({ orders }: Forecast, issued: readonly Issued[], end: number): string[] {
  const names = new Set([...orders, ...issued].map(({ certificate }) => certificate));
  return [...names].flatMap((name) => {
    const expected = orders.filter(({ certificate }) => certificate === name);
    const real = issued.filter(({ certificate }) => certificate === name);
    const outside = real.flatMap(({ at }, number) => {
      const order = expected[number];
      // In the middle of its window it would come after the span.
      if (order === undefined) return number === expected.length ? [] : [`${name} ${number}: not announced`];
      const isInside = at >= order.earliest.getTime() && at <= order.latest.getTime() + MINUTE_MS;
      return isInside ? [] : [`${name} ${number}: ${new Date(at).toISOString()}, ${JSON.stringify(order)}`];
    });
    const due = expected.filter(({ latest }) => latest.getTime() < end).length;
    return real.length < due ? [...outside, `${name}: ${due} announced, ${real.length} came`] : outside;
  });
}

for (const [name, lifetimeMs, wakeMinutes, days] of [
  ['90 days', 90 * DAY_MS, 60, 120],
  ['45 days', 45 * DAY_MS, 30, 90],
  ['160 hours', 160 * HOUR_MS, 15, 30],
] as const) {
  test(`${name}: each renewal of a simulated year comes in the ${days} days of the forecast when it says`, () => {
    const { future, issued, end } = compare(lifetimeMs, wakeMinutes, days);

    assert.deepEqual(differences(future, issued, end), []);
    assert.ok(issued.length >= 40, `${issued.length} renewals`);
    const [reasons, cas] = [
      new Set(future.orders.map(({ reason }) => reason)),
      new Set(future.orders.map(({ directoryUrl }) => directoryUrl)),
    ];
    assert.deepEqual([[...reasons], cas.size], [['renewal-window'], 1]);
    // The bounds say something: not more than a tenth of a lifetime.
    const widest = Math.max(
      ...future.orders.map(({ earliest, latest }) => latest.getTime() - earliest.getTime()),
    );
    assert.ok(widest < lifetimeMs, `${widest / HOUR_MS} h`);
  });
}
