import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerPace, pollUntil } from '../../../../lambda/acme/poll.ts';
import { AcmeDeadline } from '../../../../lambda/acme/problem.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';

const isValid = (data: { status: string }) => data.status === 'valid';

/** Answers `pending` with each of the headers in turn, then `valid`. */
function answering(retryAfters: (string | undefined)[]) {
  const left = [...retryAfters];
  const isPending = () => left.length > 0;
  return async () => {
    const status = isPending() ? 'pending' : 'valid';
    return { value: { status }, retryAfter: left.shift() };
  };
}

test('what is done at the first poll costs no wait', async () => {
  const clock = fakeClock();

  assert.deepEqual(await pollUntil('order', answering([]), isValid, clock), { status: 'valid' });
  assert.deepEqual(clock.waits, []);
});

test('without Retry-After the intervals grow, up to five seconds', async () => {
  const clock = fakeClock();

  await pollUntil('order', answering(Array(14).fill(undefined)), isValid, clock);

  const { waits } = clock;
  assert.equal(waits[0], 100);
  assert.ok(waits.every((wait, index) => index === 0 || wait >= (waits[index - 1] ?? 0)));
  assert.deepEqual(waits.slice(-3), [5_000, 5_000, 5_000]);
});

test('RFC 8555 §7.5.1: Retry-After is obeyed, as seconds and as a date', async () => {
  const clock = fakeClock();

  await pollUntil('order', answering(['7', after(noon, 12_000).toUTCString(), '0']), isValid, clock);

  assert.deepEqual(clock.waits.slice(0, 2), [7_000, 5_000]);
  assert.ok((clock.waits[2] ?? 0) >= 100, 'a Retry-After of nothing does not make it spin');
});

test('many that wait for one CA look rarely, together sixty times a second', async () => {
  const clock = fakeClock();
  const pace = new AnswerPace(150, 50);
  const ends: (() => void)[] = [];
  const others = Array.from({ length: 100 }, () =>
    pace.while(() => new Promise<void>((resolve) => ends.push(resolve))),
  );

  assert.equal(pace.waitMs, 1600);
  const look = () => pollUntil('order', answering([undefined, undefined]), isValid, timing);
  const timing = { ...clock, leastMs: () => pace.leastMs };
  await look();
  assert.deepEqual(clock.waits, [1600, 1600]);

  for (const end of ends) end();
  await Promise.all(others);
  assert.equal(pace.waitMs, 150);
  await assert.rejects(
    pace.while(() => Promise.reject(new Error('refused'))),
    /refused/,
  );
  assert.equal(pace.leastMs, 0, 'one that fails waits no more');
});

test('no wait goes beyond the deadline: the pass ends, and the error says when to poll again', async () => {
  const clock = fakeClock(noon, 10_000);

  await assert.rejects(
    pollUntil('order https://ca.test/1', answering(['3', '20']), isValid, clock),
    (error) => {
      assert.ok(error instanceof AcmeDeadline);
      assert.equal(error.code, 'ERR_ACME_DEADLINE');
      assert.deepEqual(error.retryAfter, after(noon, 23_000));
      assert.match(error.message, /^order https:\/\/ca\.test\/1 is not done yet/);
      return true;
    },
  );

  assert.deepEqual(clock.waits, [3_000]);
});

test('a CA that is never done meets the deadline, without a Retry-After of its own', async () => {
  const clock = fakeClock(noon, 60_000);
  const never = answering(Array(1_000).fill(undefined));

  await assert.rejects(pollUntil('order', never, isValid, clock), {
    code: 'ERR_ACME_DEADLINE',
    retryAfter: undefined,
  });

  assert.ok(clock.now() < clock.deadline);
});

test('what the read throws is thrown', async () => {
  const failing = () => Promise.reject(new RangeError('as thrown'));

  await assert.rejects(pollUntil('order', failing, isValid, fakeClock()), RangeError);
});

test('the first look comes as late as validations take: of two hundred that take 2 s, few are looked at twice', () => {
  const pace = new AnswerPace(150, 50);
  const looks = Array.from({ length: 200 }, () => {
    const first = pace.waitMs;
    const isDone = first >= 2000;
    pace.learn(isDone ? undefined : first, isDone ? first : 2100);
    return isDone;
  });

  const early = looks.slice(10).filter((isDone) => !isDone).length;
  assert.ok(early > 0 && early <= 12, `${early} of 190`);
  assert.ok(pace.waitMs < 3300, `${pace.waitMs} ms`);
});

test('one validation of minutes makes no other wait for minutes', () => {
  const pace = new AnswerPace(150, 50);
  pace.learn(240_000, 241_000);
  assert.equal(pace.waitMs, 1125);
});

test('a CA that becomes faster is looked at sooner, and one that takes minutes is looked at every five seconds', () => {
  const fast = new AnswerPace(150, 50);
  const slow = new AnswerPace(150, 50);

  for (let look = 0; look < 100; look += 1) fast.learn(undefined, fast.waitMs);
  for (let look = 0; look < 100; look += 1) slow.learn(240_000, 241_000);

  assert.deepEqual([fast.waitMs, slow.waitMs], [50, 5000]);
});

test('twenty are asked for at once; each end lets another one begin, and so does a wait of a second', async () => {
  const pace = new AnswerPace(150, 50);
  const waits: { ms: number; end: () => void }[] = [];
  const sleep = (ms: number) => new Promise<void>((end) => waits.push({ ms, end }));
  const asked: number[] = [];
  const works = Array.from({ length: 50 }, (_, index) =>
    pace.inTurn(async (turn) => {
      asked.push(index);
      await turn.sleep(150, sleep);
      if (index === 0) await turn.sleep(2_000, sleep);
      if (index === 1) throw new RangeError('as thrown');
      return index;
    }),
  );
  const settled = Promise.allSettled(works);
  const goOn = async (wanted: (ms: number) => boolean) => {
    const ended = waits.filter(({ ms }) => wanted(ms));
    waits.splice(0, waits.length, ...waits.filter(({ ms }) => !wanted(ms)));
    for (const { end } of ended) end();
    await new Promise((resolve) => setImmediate(resolve));
  };

  assert.equal(asked.length, 20);
  await goOn((ms) => ms === 150);
  assert.deepEqual([asked.length, waits.length], [39, 20], 'one has its turn still');
  await goOn((ms) => ms === 900);
  assert.equal(asked.length, 40, 'its wait is long');
  for (let round = 0; round < 3; round += 1) await goOn(() => true);

  const results = await settled;
  assert.deepEqual(
    results.filter(({ status }) => status === 'rejected').length,
    1,
    'a failure ends a turn, and is told',
  );
  assert.equal(asked.length, 50);
});
