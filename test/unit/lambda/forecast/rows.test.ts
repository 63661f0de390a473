/** Rows of `plan --days`: limits that hold back, CAs without windows, a failing order, what nobody can say, and a thousand certificates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { CaBudget } from '../../../../lambda/ca/budget.ts';
import type { CaState } from '../../../../lambda/ca/state.ts';
import type { Config } from '../../../../lambda/config/config.ts';
import { latestWakeMs } from '../../../../lambda/config/schedule.ts';
import { forecast } from '../../../../lambda/forecast/forecast.ts';
import { caChoices, makePlan, type Plan } from '../../../../lambda/pass/plan.ts';
import type { PublishedCertificate } from '../../../../lambda/replacement/published.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';
import { manyPublished, massConfig } from '../../../support/issuer/mass.ts';

const NOTHING: CaState = { version: 1, cas: {}, sets: {} };

type Subject = Omit<Plan, 'decision' | 'isFreshKey'>;

function play(
  config: Config,
  subjects: readonly Subject[],
  days: number,
  { change = (plan: Plan) => plan, caState = NOTHING } = {},
) {
  const bucket = memoryBucket();
  const budget = new CaBudget({ bucket, config, now: () => noon, log: () => undefined }, caState);
  const windows = new Map();
  const wakeMs = latestWakeMs(config.wakeMinutes);
  const context = { cas: caChoices(config, budget), budget, windows, forced: false, now: noon, wakeMs };
  const plans = subjects.map((subject) => change(makePlan({ ...subject, isFreshKey: false }, context)));
  const future = forecast({ config, bucket, plans, windows, caState, from: noon }, days);
  assert.deepEqual(bucket.calls, [], 'nothing is read or written');
  return future;
}

const missing = (config: Config, count: number): Subject[] =>
  manyPublished(config, count, { domains: 1 }).map(({ spec }) => ({
    ...{ spec, published: undefined, stored: undefined },
  }));
const hoursOf = (at: Date) => (at.getTime() - noon.getTime()) / HOUR_MS;

test('sixty first issues of one domain: fifty now, the others when its limit has room, and it is said which', () => {
  const config = massConfig();
  const { orders, limits } = play(config, missing(config, 60), 30);

  const now = orders.filter(({ basis }) => basis === 'now');
  const later = orders.slice(now.length);
  assert.deepEqual([now.length, later.length], [50, 10]);
  assert.ok(later.every(({ held }) => held?.text === '50 certificates of d0.example in 7 days'));
  const [first, last] = [later[0], later.at(-1)].map((order) => order && hoursOf(order.at));
  // One more each 3.36 hours.
  assert.ok(first === 3.5 && last !== undefined && last > 33 && last < 36, `${first} h, ${last} h`);
  assert.deepEqual(
    [limits[0]?.text, limits[0]?.left, limits[0]?.allowed],
    ['50 certificates of d0.example in 7 days', 0, 50],
  );
});

test('a CA without windows renews by the lifetime; of a private one nobody knows it, where nothing was issued', () => {
  const config = makeConfig([{ identifiers: ['a.test'] }]);
  const [one] = manyPublished(config, 1) as [PublishedCertificate];
  const { spec } = one;

  const renewed = play(config, [one], 200);
  const unknown = play(config, [{ spec, published: undefined, stored: undefined }], 200);

  // Issued a day ago for 90 days.
  assert.deepEqual(
    renewed.orders.map(({ at, reason, basis }) => [Math.round(hoursOf(at) / 24), reason, basis]),
    [
      [59, 'lifetime', 'known'],
      [119, 'lifetime', 'expected'],
      [179, 'lifetime', 'expected'],
    ],
  );
  assert.deepEqual(
    [unknown.orders.length, unknown.open],
    [1, [{ certificate: spec.name, reason: 'lifetime-unknown' }]],
  );
});

test('what waits for an operator or for hosts has no date, and is named', () => {
  const config = makeConfig([{ identifiers: ['a.test'] }]);
  const [one] = manyPublished(config, 1) as [PublishedCertificate];
  const change = (plan: Plan): Plan => ({ ...plan, decision: { action: 'defer', reason: 'names-moving' } });

  const { orders, open } = play(config, [one], 90, { change });

  assert.deepEqual([orders, open], [[], [{ certificate: one.spec.name, reason: 'names-moving' }]]);
});

test('what is imported is ordered by nobody; what is missing of it is named; a hold without an end, too', () => {
  const config = makeConfig([{ identifiers: ['a.test'] }]);
  const [one] = manyPublished(config, 1) as [PublishedCertificate];
  const imported = { ...one.spec, imported: true as const };
  const hold = { at: noon, reason: 'freeze' };

  const kept = play(config, [{ ...one, spec: imported }], 400);
  const lacking = play(config, [{ spec: imported, published: undefined, stored: undefined }], 90);
  const held = play(config, [{ ...one, hold }], 89);
  const free = play(config, [{ ...one, hold: { ...hold, until: after(noon, 70 * DAY_MS) } }], 89);

  assert.deepEqual([kept.orders, kept.open], [[], []]);
  assert.deepEqual(lacking.open, [{ certificate: one.spec.name, reason: 'import-missing' }]);
  // Issued a day ago for 90 days: with less than a fifth of its life left, the hold counts no more.
  assert.deepEqual(
    held.orders.map(({ at }) => Math.round(hoursOf(at) / 24)),
    [71],
  );
  assert.deepEqual(
    free.orders.map(({ at }) => Math.round(hoursOf(at) / 24)),
    [70],
  );
});

test('a CA that is paused: the order comes when the pause is over', () => {
  const config = makeConfig([{ identifiers: ['a.test'] }]);
  const { directoryUrl } = config.acme;
  const cas = { [directoryUrl]: { strikes: 1, orders: [], pausedUntil: after(noon, 10 * MINUTE_MS) } };

  const { orders } = play(config, missing(config, 1), 1, { caState: { ...NOTHING, cas } });

  assert.deepEqual(
    orders.map(({ at, reason }) => [hoursOf(at), reason]),
    [[0.5, 'missing']],
  );
});

test('certificates that live six days recur, beside a thousand of 90 days', () => {
  const short = massConfig({ certificates: [{ identifiers: ['a.test'], profile: 'shortlived' }] });
  const [{ spec }] = manyPublished(short, 1) as [PublishedCertificate];
  const config = massConfig();

  const recurring = play(short, [{ spec, published: undefined, stored: undefined }], 90);
  const many = play(config, manyPublished(config, 1_000, { domains: 500 }), 90);

  // 160 hours, half of them left.
  assert.ok(recurring.orders.length >= 26 && recurring.orders.length <= 28, `${recurring.orders.length}`);
  assert.ok(many.orders.length >= 1_400, `${many.orders.length}`);
  assert.ok(many.until.getTime() - many.from.getTime() === 90 * DAY_MS);
});
