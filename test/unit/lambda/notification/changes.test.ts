/** What is told, when and how often: levels and serials compared with what people know. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printableLines } from '#common/printable.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { ProblemFacts } from '../../../../lambda/figures/problems.ts';
import type { HostSummary } from '../../../../lambda/fleet/summary.ts';
import { changeText, wordsOf } from '../../../../lambda/notification/text.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { countsOf, entryOf, linesOf, makeTeller } from '../../../support/notification/teller.ts';

const later = (minutes: number) => after(noon, minutes * MINUTE_MS);
const failing = (...names: string[]): Pick<ProblemFacts, 'failing'> => ({
  failing: names.map((certificate) => {
    const since = after(noon, -3 * HOUR_MS);
    return {
      certificate,
      code: 'ERR_AUTHORIZATION',
      since,
      message: 'www.example.com: no such host',
      attempts: 3,
    };
  }),
});
const host = (now: Date, changes: Partial<HostSummary> = {}): Pick<ProblemFacts, 'fleets' | 'now'> => {
  const summary = { etag: '"s"', reportedAt: now, manifest: '"m"', states: { served: 1 }, ...changes };
  const manifest = { etag: '"m"', updatedAt: after(noon, -DAY_MS) };
  return { now, fleets: [{ fleet: 'edge', summaries: { lb1: summary }, manifest }] };
};
const broken = { error: 'ERR_CERTS_DIRECTORY', faultSince: after(noon, -DAY_MS) };

test('a certificate that is renewed in three fleets is one notice; the pass that begins to tell is silent about what there is', async () => {
  const teller = makeTeller();
  const fleets = (serial: string) =>
    Object.fromEntries(
      ['edge', 'inner', 'spare'].map((fleet) => [fleet, { 'www.example.com': entryOf(serial) }]),
    );

  assert.deepEqual(linesOf(await teller.pass({ entries: fleets('01') })), []);
  const sent = await teller.pass({ entries: fleets('02') });

  assert.deepEqual(linesOf(sent), ['renewed 1: pemfleet: renewed www.example.com']);
  assert.equal(
    changeText(sent[0]?.changes[0] as never),
    'www.example.com: renewed in edge, inner, spare; serial 02, before 01; valid until 2027-02-20 12:00 UTC',
  );
  assert.deepEqual(linesOf(await teller.pass({ entries: fleets('02'), now: later(30) })), []);
});

test('the first pass of all tells what it has issued itself', async () => {
  const teller = makeTeller();
  const outcomes = [
    { certificate: 'new.test', result: 'issued', reason: 'missing', identifiers: [] },
  ] as never;
  const entries = { edge: { 'new.test': entryOf('01'), 'old.test': entryOf('02') } };

  assert.deepEqual(linesOf(await teller.pass({ outcomes, entries })), [
    'renewed 1: pemfleet: issued new.test',
  ]);
});

test('a failure that a renewal ends is one notice: recovered, with the new serial', async () => {
  const teller = makeTeller();
  const entries = (serial: string) => ({ edge: { 'a.test': entryOf(serial, later(30)) } });

  await teller.pass({ entries: entries('01') });
  const begun = await teller.pass({ ...failing('a.test'), entries: entries('01'), configured: ['a.test'] });
  const cured = await teller.pass({ entries: entries('02'), now: later(30), configured: ['a.test'] });

  assert.deepEqual(linesOf([...begun, ...cured]), [
    'failing 1: pemfleet: failing a.test',
    'recovered 1: pemfleet: recovered a.test',
  ]);
  assert.match(
    wordsOf(cured[0] as never).text,
    /^a\.test: well again, was failing for 3 h; renewed in edge; serial 02/,
  );
});

test('a withdrawal is told with its reason, and a fleet whose manifest is lost withdraws nothing', async () => {
  const teller = makeTeller();
  const entries = { edge: { 'a.test': entryOf('01') } };
  await teller.pass({ entries });

  assert.deepEqual(await teller.pass({ now: later(30) }), []);
  const tombstones = { edge: { 'a.test': { reason: 'revoked', at: later(40).toISOString(), pems: [] } } };
  const sent = await teller.pass({ entries: { edge: {} }, tombstones, now: later(60) });

  assert.deepEqual(linesOf(sent), ['withdrawn 1: pemfleet: revoked a.test']);
});

test('a certificate that a rollback has put in force again is told, and forth again, too', async () => {
  const teller = makeTeller();
  const at = (minutes: number) => ({ rolledBackAt: later(minutes).toISOString() });
  await teller.pass({ entries: { edge: { 'a.test': entryOf('02') } } });

  const back = await teller.pass({
    entries: { edge: { 'a.test': entryOf('01', noon, at(10)) } },
    now: later(30),
  });
  const forth = await teller.pass({
    entries: { edge: { 'a.test': entryOf('02', noon, at(40)) } },
    now: later(60),
  });
  const again = await teller.pass({
    entries: { edge: { 'a.test': entryOf('01', noon, at(70)) } },
    now: later(90),
  });

  assert.deepEqual(
    linesOf([...back, ...forth, ...again]),
    Array(3).fill('renewed 1: pemfleet: rolled-back a.test'),
  );
  assert.equal(new Set(teller.sent.map(({ id }) => id)).size, 3, 'each has its own id');
});

test('two thousand certificates that fail at once are one notice with their number, and their end is one', async () => {
  const names = Array.from({ length: 2000 }, (_, index) => `n${index}.test`);
  const teller = makeTeller();

  const begun = await teller.pass({ ...failing(...names), configured: names });
  const ended = await teller.pass({ now: later(30), configured: names });

  assert.deepEqual(linesOf([...begun, ...ended]), [
    'failing 2000: pemfleet: 2000 failing: n0.test and 1999 more',
    'recovered 2000: pemfleet: 2000 recovered: n0.test and 1999 more',
  ]);
  assert.equal(begun[0]?.changes.length, 20);
  assert.match(wordsOf(begun[0] as never).text, /\n… and 1980 more\n/);
  assert.deepEqual(
    ended[0]?.changes.map(({ conditions }) => conditions).sort(),
    begun[0]?.changes.map(({ conditions }) => conditions).sort(),
    'those that were named are named again: a receiver of levels has an alert for each',
  );
});

test('what flaps is told when it begins and ends, and then stays until it has been away for longer each time', async () => {
  const teller = makeTeller();

  for (let pass = 0; pass < 96; pass += 1) {
    const now = later(30 * pass);
    await teller.pass(host(now, pass % 2 === 0 ? broken : {}));
  }
  for (let pass = 96; pass < 120; pass += 1) await teller.pass(host(later(30 * pass)));

  // Two days of it, 48 times: begun, ended, begun again, and at last ended.
  assert.deepEqual(countsOf(teller.sent), { behind: 2, recovered: 2 });
});

test('a host that falls silent while it is behind has not recovered; one that has left is said to have left', async () => {
  const teller = makeTeller();
  await teller.pass(host(noon, broken));
  await teller.pass(host(later(60), broken));

  const silent = await teller.pass({ ...host(noon, broken), now: later(300) });
  const left = await teller.pass({ ...host(later(310), { hasLeft: true }), now: later(330) });

  assert.deepEqual(linesOf(silent), ['silent 1: pemfleet: silent edge/lb1']);
  assert.deepEqual(linesOf(left), ['recovered 2: pemfleet: 2 recovered: edge/lb1 and 1 more']);
  assert.match(wordsOf(left[0] as never).text, /edge\/lb1: this host has left, was behind for 29 h/);
});

test('what cannot be read is not over', async () => {
  const teller = makeTeller();
  await teller.pass(failing('a.test'));

  assert.deepEqual(await teller.pass({ now: later(30), incomplete: ['CertificatesFailing'] }), []);
  const configured = ['a.test'];
  assert.deepEqual(linesOf(await teller.pass({ now: later(60), configured })), [
    'recovered 1: pemfleet: recovered a.test',
  ]);
});

test('a memory that is lost or broken: what fails is told once more, in one notice, and no old renewal is', async () => {
  for (const text of [undefined, '{"version": 1', '{"version": 2}', '[]']) {
    const bucket = memoryBucket();
    const names = Array.from({ length: 300 }, (_, index) => `n${index}.test`);
    const entries = { edge: Object.fromEntries(names.map((name) => [name, entryOf('01')])) };
    const known = { ...failing('n1.test', 'n2.test'), entries };
    await makeTeller({ bucket }).pass(known);
    if (text === undefined) await bucket.delete(layout.notified);
    else bucket.plant(layout.notified, text);

    const sent = await makeTeller({ bucket }).pass({ ...known, now: later(30) });

    assert.deepEqual(linesOf(sent), ['failing 2: pemfleet: 2 failing: n1.test and 1 more'], String(text));
    assert.deepEqual(await makeTeller({ bucket }).pass({ ...known, now: later(60) }), []);
  }
});

test('a memory of last year tells no renewal of last month', async () => {
  const teller = makeTeller();
  await teller.pass({ entries: { edge: { 'a.test': entryOf('01') } } });
  const now = after(noon, 300 * DAY_MS);
  const entries = {
    edge: { 'a.test': entryOf('07', after(now, -30 * DAY_MS)), 'b.test': entryOf('08', now) },
  };

  assert.deepEqual(linesOf(await teller.pass({ entries, now })), ['renewed 1: pemfleet: issued b.test']);
});

test('a receiver that fails gets it in the next pass, with the same id; the others have it once', async () => {
  let fails = true;
  const teller = makeTeller({
    channels: { chat: { eventbridge: 'default' }, mail: { eventbridge: 'default' } },
    send: async (channel) => {
      if (channel === 'mail' && fails) throw new Error('receiver is down');
      return channel;
    },
  });

  const first = await teller.pass(failing('a.test'));
  fails = false;
  const second = await teller.pass({ ...failing('a.test'), now: later(30) });
  const third = await teller.pass({ ...failing('a.test'), now: later(60) });

  assert.deepEqual([first.length, second.length, third.length], [1, 1, 0]);
  assert.equal(first[0]?.id, second[0]?.id);
  assert.deepEqual(
    teller.events.fieldsOf('notice.failed').map(({ channel, kind }) => `${channel} ${kind}`),
    ['mail failing'],
  );
});

test('what no receiver takes for three days is dropped with a warning, and fifty notices wait at most', async () => {
  const send = async () => {
    throw new Error('receiver is down');
  };
  const teller = makeTeller({ send });
  await teller.pass({ entries: { edge: { 'a.test': entryOf('0') } } });
  for (let pass = 1; pass <= 60; pass += 1) {
    const now = later(30 * pass);
    await teller.pass({ entries: { edge: { 'a.test': entryOf(`${pass}`, now) } }, now });
  }
  assert.equal(teller.events.fieldsOf('notice.dropped').length, 10);

  await teller.pass({ now: after(noon, 6 * DAY_MS) });

  assert.equal(teller.events.fieldsOf('notice.dropped').length, 60);
});

test('a pass that is killed after it has sent leaves it to the next one to send it again, with the same id', async () => {
  const bucket = memoryBucket();
  let writes = 0;
  const killed = interposed(bucket, {
    put: (...args) => {
      writes += 1;
      if (writes === 2) throw new BucketError('ERR_BUCKET_UNREACHABLE', layout.notified, 'killed');
      return bucket.put(...args);
    },
  });
  const first = await makeTeller({ bucket: killed }).pass(failing('a.test'));

  // While it may be at work, nobody else sends it.
  assert.deepEqual(await makeTeller({ bucket }).pass({ ...failing('a.test'), now: later(2) }), []);
  const second = await makeTeller({ bucket }).pass({ ...failing('a.test'), now: later(30) });

  assert.deepEqual([first.length, second.map(({ id }) => id)], [1, [first[0]?.id]]);
});

test('two issuers that find the same at the same time tell it once', async () => {
  const bucket = memoryBucket();
  const [a, b] = [makeTeller({ bucket }), makeTeller({ bucket })];

  await Promise.all([a.pass(failing('a.test')), b.pass(failing('a.test'))]);

  assert.equal(a.sent.length + b.sent.length, 1);
});

test('a bucket that refuses the memory fails no pass, and what is wrong is told when it takes it', async () => {
  const bucket = memoryBucket();
  const refuses = interposed(bucket, {
    put: async () => {
      throw new BucketError('ERR_BUCKET_DENIED', layout.notified, 's3:PutObject');
    },
  });
  const teller = makeTeller({ bucket: refuses });

  assert.deepEqual(await teller.pass(failing('a.test')), []);
  assert.match(teller.events.text(), /notice\.failed.*ERR_BUCKET_DENIED/);
  assert.equal((await makeTeller({ bucket }).pass({ ...failing('a.test'), now: later(30) })).length, 1);
});

test('a channel gets the kinds that it asks for', async () => {
  const got: string[] = [];
  const teller = makeTeller({
    channels: {
      all: { eventbridge: 'default' },
      bad: { eventbridge: 'default', only: ['failing', 'recovered'] },
    },
    send: async (channel, { kind }) => {
      got.push(`${channel} ${kind}`);
      return '';
    },
  });
  await teller.pass({ entries: { edge: { 'b.test': entryOf('01') } } });

  await teller.pass({ ...failing('a.test'), entries: { edge: { 'b.test': entryOf('02') } } });

  assert.deepEqual(got.sort(), ['all failing', 'all renewed', 'bad failing']);
});

test('the digest comes once a week, whatever the passes do, and not in the week in which it is switched on', async () => {
  const teller = makeTeller({ digest: 'monday' });
  // A Sunday.
  for (let hours = 0; hours < 14 * 24; hours += 7) await teller.pass({ now: after(noon, hours * HOUR_MS) });

  assert.deepEqual(
    teller.sent.map(({ kind, at }) => `${kind} ${at}`),
    ['digest 2026-11-23T09:00:00.000Z', 'digest 2026-11-30T09:00:00.000Z'],
  );
});

test('a subject is ASCII and short, and nothing from outside acts in a text', async () => {
  const teller = makeTeller();
  const name = `${'x'.repeat(180)}.test`;
  const message = 'bad\u001b[31m\u202e answer\nBcc: all@example.com <script>';

  const [notice] = await teller.pass({ failing: [{ ...failing(name).failing[0], message } as never] });

  const { subject, text } = wordsOf(notice as never);
  assert.match(subject, /^[ -~]{1,99}$/);
  assert.ok(subject.endsWith('...'));
  assert.equal(printableLines(text), text);
  assert.match(text, /bad \[31m +answer Bcc: all@example\.com <script>/);
});
