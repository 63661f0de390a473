/** Two issuers on one bucket: who may work, and who stops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { IssuerIdentity } from '../../../../lambda/identity/identity.ts';
import { checkWriter, enterAsWriter, takeOver, type Writers } from '../../../../lambda/identity/writers.ts';
import { COUNTS } from '../../../bench/counts.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';

const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:pemfleet';
const lambda: IssuerIdentity = { id: ARN, label: ARN };
const laptop: IssuerIdentity = { id: 'machine 1', label: '/home/a/pemfleet.yaml on laptop' };
const [OLD, NEW, OTHER] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];

/** @param skewMs how far the issuers' own clocks are ahead of the store's */
function stage(skewMs = 0) {
  const time = { store: noon };
  const bucket = memoryBucket(() => time.store);
  const own = () => after(time.store, skewMs);
  return {
    bucket,
    wait: (ms: number) => {
      time.store = after(time.store, ms);
    },
    /** @returns `in`, or the code of the refusal with its message */
    enter: (identity: IssuerIdentity, config: string) =>
      enterAsWriter(bucket, { identity, config }, own()).then(
        () => 'in',
        (error: unknown) => `${codeOf(error)} ${messageOf(error)}`,
      ),
    check: (identity: IssuerIdentity, config: string) => checkWriter(bucket, { identity, config }, own()),
    takeOver: (identity: IssuerIdentity, config: string, dryRun = false) =>
      takeOver(bucket, { identity, config }, { dryRun }),
    stored: (): Writers => JSON.parse(bucket.text(layout.writers) ?? '{}'),
  };
}

test('another configuration of another issuer is refused, with both named; that of the same issuer is a deployment', async () => {
  const { enter, stored } = stage();

  assert.equal(await enter(lambda, OLD), 'in');
  const refusal = await enter(laptop, OTHER);
  assert.equal(await enter(lambda, NEW), 'in');

  assert.match(refusal, /^ERR_ISSUER_CONFLICT issuer\/writers\.json: /);
  for (const part of [ARN, 'aaaaaaaa', laptop.label, 'cccccccc', noon.toISOString(), 'pemfleet take-over']) {
    assert.ok(refusal.includes(part), `${part} in ${refusal}`);
  }
  assert.deepEqual(
    stored().writers.map(({ identity, config }) => [identity, config]),
    [[ARN, NEW]],
  );
});

test('two issuers with the same configuration work together; a deployment reaches the first before the second', async () => {
  const { enter } = stage();

  assert.deepEqual([await enter(lambda, OLD), await enter(laptop, OLD)], ['in', 'in']);
  assert.match(await enter(laptop, NEW), /^ERR_ISSUER_CONFLICT/);
  assert.equal(await enter(lambda, OLD), 'in');
  assert.equal(await enter(lambda, NEW), 'in');
  assert.match(await enter(laptop, OLD), /^ERR_ISSUER_CONFLICT/);
  assert.equal(await enter(laptop, NEW), 'in');
});

test('after a day of silence of the first, the newcomer is let in, and the first has become the newcomer', async () => {
  const { enter, wait } = stage();
  await enter(lambda, OLD);

  wait(DAY_MS - 1);
  assert.match(await enter(laptop, OTHER), /^ERR_ISSUER_CONFLICT/);
  wait(1);
  assert.equal(await enter(laptop, OTHER), 'in');

  assert.match(await enter(lambda, OLD), /^ERR_ISSUER_CONFLICT/);
});

test('a refused newcomer asks for the time and leaves nothing behind, and an issuer at work writes once an hour', async () => {
  const { bucket, enter, wait } = stage();
  const writesOf = async (work: () => Promise<unknown>) => {
    const before = bucket.calls.length;
    await work();
    return bucket.calls.slice(before).filter((call) => /^(put|list) /.test(call)).length;
  };
  await enter(lambda, OLD);

  assert.equal(await writesOf(() => enter(laptop, OTHER)), COUNTS.writersName.put - 1);
  wait(HOUR_MS - 1);
  assert.equal(await writesOf(() => enter(lambda, OLD)), 0);
  wait(1);
  assert.equal(await writesOf(() => enter(lambda, OLD)), COUNTS.writersName.put);
  assert.deepEqual(await bucket.list(layout.probe('')), []);
});

for (const days of [-3, 3]) {
  test(`an issuer whose clock is ${days} days off sees no silence where there is none`, async () => {
    const { bucket, enter, wait } = stage();
    await enter(lambda, OLD);
    wait(HOUR_MS);
    const now = after(noon, HOUR_MS + days * DAY_MS);

    await assert.rejects(
      enterAsWriter(bucket, { identity: laptop, config: OTHER }, now),
      (error) => codeOf(error) === 'ERR_ISSUER_CONFLICT',
    );
    await enterAsWriter(bucket, { identity: lambda, config: NEW }, now);

    assert.equal(await enter(lambda, NEW), 'in');
    assert.match(await enter(laptop, OTHER), /^ERR_ISSUER_CONFLICT/);
  });
}

test('take-over: the first issuer with that configuration is let in, and the others stop', async () => {
  const { enter, takeOver, stored } = stage();
  await enter(lambda, OLD);

  const { stopped } = await takeOver(laptop, NEW);

  assert.deepEqual(
    stopped.map(({ label, config }) => [label, config]),
    [[ARN, OLD]],
  );
  assert.match(await enter(lambda, OLD), /^ERR_ISSUER_CONFLICT .*laptop.*bbbbbbbb/);
  assert.equal(await enter(lambda, NEW), 'in');
  assert.equal(stored().takeOver, undefined);
  assert.match(await enter(laptop, OTHER), /^ERR_ISSUER_CONFLICT/);
});

test('take-over, and then an edit: the issuer that has taken over is not in conflict with itself', async () => {
  const { enter, takeOver, stored } = stage();
  await enter(lambda, OLD);
  await takeOver(laptop, NEW);

  assert.equal(await enter(laptop, OTHER), 'in');

  assert.deepEqual(
    stored().writers.map(({ identity, config }) => [identity, config]),
    [[laptop.id, OTHER]],
  );
  assert.equal(stored().takeOver, undefined);
  assert.match(await enter(lambda, OLD), /^ERR_ISSUER_CONFLICT .*laptop/);
});

test('take-over, and then an edit: one that was let stay with the earlier configuration stops', async () => {
  const { enter, takeOver } = stage();
  await enter(lambda, NEW);
  await takeOver(laptop, NEW);

  assert.equal(await enter(laptop, OTHER), 'in');
  assert.match(await enter(lambda, NEW), /^ERR_ISSUER_CONFLICT .*laptop/);
});

test('take-over: nobody with that configuration comes: after a day the others may work again', async () => {
  const { enter, takeOver, wait } = stage();
  await takeOver(laptop, NEW);

  wait(DAY_MS - 1);
  assert.match(await enter(lambda, OLD), /^ERR_ISSUER_CONFLICT/);
  wait(1);
  assert.equal(await enter(lambda, OLD), 'in');
});

test('take-over --dry-run names who would stop, and changes nothing', async () => {
  const { bucket, enter, takeOver } = stage();
  await enter(lambda, OLD);
  const before = bucket.text(layout.writers);

  const { stopped } = await takeOver(laptop, NEW, true);

  assert.equal(stopped.length, 1);
  assert.equal(bucket.text(layout.writers), before);
});

for (const [says, body] of [
  ['is lost', undefined],
  ['is no JSON', '{"version":1,"writers":[{"identity":'],
  ['is of a later version', '{"version":2,"writers":[]}'],
  ['has a giant in it', JSON.stringify({ version: 1, writers: [{ identity: 'x'.repeat(5000) }] })],
] as const) {
  test(`the document ${says}: the next issuer starts it over`, async () => {
    const { bucket, enter, stored } = stage();
    await enter(lambda, OLD);
    if (body === undefined) await bucket.delete(layout.writers);
    else await bucket.put(layout.writers, body);

    assert.equal(await enter(lambda, OLD), 'in');

    assert.equal(stored().writers[0]?.identity, ARN);
    assert.match(await enter(laptop, OTHER), /^ERR_ISSUER_CONFLICT/);
  });
}

test('a check lets in whom a pass would let in, and writes nothing', async () => {
  const { bucket, enter, check } = stage();
  await enter(lambda, OLD);
  const before = bucket.calls.length;

  await check(laptop, OLD);
  await assert.rejects(check(laptop, OTHER), (error) => codeOf(error) === 'ERR_ISSUER_CONFLICT');

  assert.deepEqual(
    bucket.calls.slice(before).filter((call) => !call.startsWith('get ')),
    [],
  );
});

test('of two first issuers at once with different configurations, one is let in', async () => {
  const { enter } = stage();

  const results = await Promise.all([enter(lambda, OLD), enter(laptop, OTHER)]);

  assert.equal(results.filter((result) => result === 'in').length, 1);
});

test('what a later version adds to the document stays', async () => {
  const { bucket, enter, stored, wait } = stage();
  await enter(lambda, OLD);
  const written = { ...stored(), later: 1 };
  await bucket.put(layout.writers, JSON.stringify(written));
  wait(HOUR_MS);

  await enter(lambda, NEW);

  assert.equal((stored() as { later?: number }).later, 1);
});
