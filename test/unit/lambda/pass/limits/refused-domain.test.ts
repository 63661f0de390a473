/** The CA refuses one registered domain (field.md E16), or its limits are known (E4): other names and renewals go on. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { readCaBudget } from '../../../../../lambda/ca/budget.ts';
import { openCa } from '../../../../../lambda/ca/ca.ts';
import { DIRECTORIES } from '../../../../../lambda/config/known-cas.ts';
import { runPass } from '../../../../../lambda/pass/run-pass.ts';
import { readHeldLines } from '../../../../../lambda/status/held-lines.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../../support/clock.ts';
import { makeEntry, makePemRef } from '../../../../support/issuer/documents.ts';
import { answer, type FakeCa, fakeCa, urn } from '../../../../support/issuer/fake-ca.ts';
import { passOver, publishEntry } from '../../../../support/issuer/pass.ts';

const directoryUrl = DIRECTORIES['letsencrypt'] ?? '';
const TOO_MANY =
  'too many certificates (50) already issued for "busy.test" in the last 168h0m0s, retry after 2026-11-22 15:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain';

/** Refuses each order of busy.test, and all others by its policy: that they were asked for is what counts. */
const limitingCa = () =>
  fakeCa(({ url, payload }) => {
    if (url.endsWith('/new-account')) {
      return answer({}, { status: 201, headers: { location: 'https://ca.test/account/1' } });
    }
    const refusal = (type: string, detail: string, status: number) =>
      answer({ type: urn(type), detail }, { status });
    if (payload.includes('busy.test')) return refusal('rateLimited', TOO_MANY, 429);
    return refusal('rejectedIdentifier', 'not today', 400);
  });

function passAt(ca: FakeCa, bucket = memoryBucket(), begin = noon) {
  const timing = fakeClock(begin);
  const over = passOver(bucket, { timing });
  const passFor = (names: readonly string[]) => {
    const pass = over.passFor(names.map((name) => ({ identifiers: [name] })));
    const acme = { ...pass.config.acme, directoryUrl };
    const opened = openCa({ bucket, settings: acme, exchange: ca.exchange, now: timing.now });
    const cas = new Map([[directoryUrl, opened]]);
    return { ...pass, cas, config: { ...pass.config, acme, concurrency: 1 } };
  };
  return { ...over, bucket, timing, passFor };
}

test('fourteen names of a refused domain wait after the first refusal; three others are asked for; the next pass knows it', async () => {
  const ca = limitingCa();
  const stage = passAt(ca);
  const busy = Array.from({ length: 14 }, (_, index) => `n${index}.busy.test`);
  const others = ['a.other.test', 'b.other.test', 'x.busy-not.test'];

  const first = await runPass(stage.passFor([...busy, ...others]));
  const asked = ca.exchanged.filter(({ url }) => url.endsWith('/new-order')).map(({ payload }) => payload);
  const second = await runPass(passAt(ca, stage.bucket, after(noon, HOUR_MS)).passFor(busy));

  const reasons = first.outcomes.map(({ certificate, result, reason }) => [certificate, result, reason]);
  assert.deepEqual(
    reasons.filter(([name]) => others.includes(String(name))).map(([, result]) => result),
    ['failed', 'failed', 'failed'],
  );
  assert.equal(reasons.filter(([, , reason]) => reason === 'ca-paused').length, 13);
  assert.equal(asked.filter((payload) => payload.includes('.busy.test')).length, 1);
  assert.equal(second.outcomes.filter(({ result }) => result === 'deferred').length, 14);
  assert.match(second.outcomes[5]?.heldBackBy ?? '', /takes no more certificates of busy\.test now/);
  assert.deepEqual(stage.events.fieldsOf('ca.paused'), []);
});

test('three hundred new names of one domain: fifty are planned, the others say when; a burst is told before it; a due renewal goes first', async () => {
  const ca = limitingCa();
  const bucket = memoryBucket();
  // Of the same domain, and with other names than it was issued for: nothing exempts it.
  const pems = [makePemRef({ notAfter: after(noon, 40 * HOUR_MS).toISOString() })];
  await publishEntry(bucket, 'due.burst.test', makeEntry({ identifiers: ['old.burst.test'], pems }));
  const stage = passAt(ca, bucket, after(noon, 30 * HOUR_MS));
  const names = Array.from({ length: 300 }, (_, index) => `n${index}.burst.test`);
  const pass = stage.passFor([...names, 'due.burst.test', 'single.test']);

  const { outcomes, bursts } = await runPass({ ...pass, options: { dryRun: true } });

  const planned = outcomes.filter(({ result }) => result === 'planned');
  assert.equal(planned.length, 51);
  assert.ok(planned.some(({ certificate }) => certificate === 'due.burst.test'));
  assert.equal(outcomes.at(-1)?.result, 'planned');
  const waiting = outcomes.filter(({ result }) => result === 'deferred');
  assert.equal(waiting[0]?.heldBackBy, '50 certificates of burst.test in 7 days');
  const interval = (7 * DAY_MS) / 50;
  const last = after(stage.timing.now(), waiting.length * interval).toISOString();
  assert.equal(
    waiting
      .map(({ until }) => until)
      .sort()
      .at(-1),
    last,
  );
  assert.deepEqual(bursts, [
    {
      ...{ directoryUrl, domain: 'burst.test', ordered: 49, waiting: 251, allowed: 50 },
      until: last,
    },
  ]);
  assert.equal(stage.events.fieldsOf('limit.burst').length, 1);
});

test('status says what waits for which limit, as one line', async () => {
  const stage = passAt(limitingCa());
  const names = Array.from({ length: 60 }, (_, index) => `n${index}.burst.test`);

  await runPass(stage.passFor(names));
  const lines = await readHeldLines(stage.bucket, noon);

  assert.equal(lines.length, 1);
  assert.match(
    lines[0]?.text ?? '',
    /^10 wait for acme-v02\.api\.letsencrypt\.org \(50 certificates of burst\.test in 7 days\); the first has room in 3 h, the last in 33 h: n50\.burst\.test/,
  );
});

for (const [hours, result] of [
  [1, 'deferred'],
  [24, 'planned'],
] as const) {
  test(`without room at its CA for ${hours} h a renewal goes to the fallback; a first issue is ${result}`, async () => {
    const stage = passAt(limitingCa(), memoryBucket(), after(noon, 30 * HOUR_MS));
    const pems = [makePemRef({ notAfter: after(noon, 40 * HOUR_MS).toISOString() })];
    await publishEntry(stage.bucket, 'due.test', makeEntry({ identifiers: ['due.test'], pems }));
    const pass = stage.passFor(['new.test', 'due.test']);
    const fallback = { ...pass.config.acme, directoryUrl: 'https://fallback.test/directory' };
    const none = { newOrders: { count: 1, hours } } as const;
    const acme = { ...pass.config.acme, limits: none };
    const config = { ...pass.config, acme, fallback: [fallback] };
    // Its only order is taken.
    const used = await readCaBudget({
      bucket: stage.bucket,
      config,
      now: stage.timing.now,
      log: () => undefined,
    });
    used.reserve({ directoryUrl, identifiers: ['other.test'], count: 1 });
    await used.save();

    const { outcomes } = await runPass({ ...pass, config, options: { dryRun: true } });

    assert.deepEqual(
      outcomes.map(({ certificate, result }) => [certificate, result]),
      [
        ['new.test', result],
        ['due.test', 'planned'],
      ],
    );
  });
}
