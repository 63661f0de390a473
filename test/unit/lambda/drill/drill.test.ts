/** A drill answers when the last certificate would be replaced, and what holds it back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { type DrillInput, drillAt } from '../../../../lambda/drill/drill.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { manyPublished, massConfig } from '../../../support/issuer/mass.ts';

function drill(
  count: number,
  settings: object = {},
  changes: Partial<DrillInput> & { domains?: number; directoryUrl?: string } = {},
) {
  const config = massConfig(settings);
  const bucket = memoryBucket();
  const input: DrillInput = {
    ...{ config, bucket, from: noon, windows: new Map() },
    certificates: manyPublished(config, count, changes),
    caState: { version: 1, cas: {}, sets: {} },
    ...changes,
  };
  const result = drillAt(config.acme, input);
  assert.deepEqual(bucket.calls, [], 'nothing is read or written');
  return { ...result, hours: ((result.lastAt?.getTime() ?? 0) - noon.getTime()) / HOUR_MS };
}

test('few: in the next pass, ten at a time', () => {
  const { replaced, passes, lastAt, delays } = drill(25);

  assert.deepEqual([replaced, passes], [25, 1]);
  assert.deepEqual(lastAt, after(noon, 30 * MINUTE_MS + 30 * SECOND_MS));
  assert.deepEqual(delays, []);
});

test("Let's Encrypt does not count what the same CA has issued before: only the passes hold it back", () => {
  const { replaced, passes, delays } = drill(1000);

  assert.deepEqual([replaced, passes], [1000, 2]);
  assert.deepEqual(
    delays.map(({ by }) => by),
    ['10 orders at the same time of 10 s each, a pass every 30 min'],
  );
});

test('other wakes, concurrency and time of an order', () => {
  const { passes, hours } = drill(1000, { wakeMinutes: 15, concurrency: 50 }, { orderMs: 20 * SECOND_MS });

  assert.equal(passes, 1);
  assert.equal(hours, 1 / 4 + (20 * 20) / 3600);
});

test('at a CA that has not issued them, its limits hold them back, and the drill says which', () => {
  const { replaced, hours, delays } = drill(600, {}, { directoryUrl: 'https://other.test/dir' });

  assert.equal(replaced, 600);
  // 300 at once, and one more each 36 s: nothing of ours holds a replacement back.
  assert.ok(hours > 3 && hours < 4, `${hours} h`);
  assert.match(delays[0]?.by ?? '', /new orders/);
});

test('hundreds of one registered domain, at a CA that has not issued them', () => {
  const { replaced, delays } = drill(80, {}, { domains: 1, directoryUrl: 'https://other.test/dir' });

  assert.equal(replaced, 80);
  assert.match(delays[0]?.by ?? '', /too many certificates \(50\) already issued for "d0\.example"/);
});

test('a private CA without limits', () => {
  const acme = { directoryUrl: 'https://ca.test/dir', termsOfServiceAgreed: true };

  assert.equal(drill(1000, { acme }).passes, 2);
});

test('a CA that allows too little: what is left after 60 days', () => {
  const acme = {
    ...{ directoryUrl: 'https://ca.test/dir', termsOfServiceAgreed: true },
    limits: { newOrders: { count: 1, hours: 24 } },
  };

  const { certificates, replaced, lastAt } = drill(100, { acme, wakeMinutes: 720 });

  assert.equal(certificates, 100);
  assert.ok(replaced >= 55 && replaced <= 61, `${replaced}`);
  assert.ok(lastAt !== undefined && lastAt.getTime() > after(noon, 55 * DAY_MS).getTime());
});

test('what was placed before the request counts', () => {
  const config = massConfig();
  const { directoryUrl } = config.acme;
  const entry = { strikes: 0, orders: [], buckets: { newOrders: { account: after(noon, 3 * HOUR_MS) } } };

  const { hours } = drill(
    10,
    {},
    {
      directoryUrl: 'https://other.test/dir',
      caState: { version: 1, cas: { [directoryUrl]: entry }, sets: {} },
    },
  );

  assert.ok(hours > 0.5, `${hours} h`);
});
