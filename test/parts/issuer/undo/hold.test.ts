// `pemfleet hold` and `resume` over a directory: what they take, what status says meanwhile, and that they may be typed twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { DirectoryBucket } from '#storage/directory.ts';
import { planCommand } from '../../../../lambda/commands/pass.ts';
import { statusCommand } from '../../../../lambda/commands/status.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { holdCommand, resumeCommand } from '../../../../lambda/commands/undo/hold.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { certificate, edge, stage } from './stage.ts';

const REASON = ['--reason', 'old phones'] as const;
const key = layout.certificateHold(certificate('kept'));

test('a certificate is held and resumed, each with its line in the trail; status shows the hold, and a dry run changes nothing', async (t) => {
  const { bucket, publish, run } = await stage(t);
  await publish('kept');
  const noted = async () =>
    JSON.parse((await run(statusCommand, 'status', '--json')).out).notes.filter(
      ({ code }: { code: string }) => code === 'hold',
    );
  const dry = await run(holdCommand, 'hold', 'kept', ...REASON, '--dry-run');
  assert.deepEqual([dry.status, await bucket.get(key)], [0, undefined]);

  const held = await run(holdCommand, 'hold', 'kept', ...REASON, '--until', '2099-01-01', '--json');
  const again = await run(holdCommand, 'hold', 'kept', ...REASON);

  assert.deepEqual([held.status, again.status], [0, 0]);
  assert.match(again.err, /^kept: is held until pemfleet resume: no pass renews it, unless it is revoked/);
  const [one] = JSON.parse(held.out).held;
  assert.deepEqual(
    [one.certificate, one.reason, one.until],
    ['kept', 'old phones', '2099-01-01T00:00:00.000Z'],
  );
  const [note] = await noted();
  assert.equal(note.certificate, 'kept');
  assert.match(note.text, /^kept: held .* ago by .*: old phones$/);
  assert.match((await run(holdCommand, 'hold')).out, /kept .*old phones/);

  assert.equal((await run(resumeCommand, 'resume', 'kept', '--reason', 'mended', '--dry-run')).status, 0);
  assert.ok(await bucket.get(key));
  assert.equal((await run(resumeCommand, 'resume', 'kept', '--reason', 'mended')).status, 0);
  assert.match((await run(resumeCommand, 'resume', 'kept')).err, /is not held: nothing to do/);

  assert.deepEqual(await noted(), []);
  const { lines } = JSON.parse((await run(auditCommand, 'audit', 'kept', '--json')).out);
  assert.deepEqual(
    lines.slice(-3).map(({ action, reason }: { action: string; reason: string }) => [action, reason]),
    [
      ['held', 'until 2099-01-01T00:00:00.000Z: old phones'],
      ['held', 'old phones'],
      ['resumed', 'mended'],
    ],
  );
});

test('a fleet that is held gets no rollback either: the refusal says what ends the hold', async (t) => {
  const { publish, run, entryOf } = await stage(t);
  await publish('kept');
  const second = await publish('kept');
  assert.equal((await run(holdCommand, 'hold', '--fleet', 'edge', ...REASON)).status, 0);

  const { status } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.match(
    String(status),
    /^CommandRefused ERR_REFUSED .*fleet edge is held \(old phones\).*pemfleet resume --fleet edge/,
  );
  assert.equal((await entryOf('kept'))?.pems[0]?.serial, second);
  const { out, status: level } = await run(statusCommand, 'status', '--json');
  assert.match(out, /"fleet edge: held .*old phones/);
  assert.equal(level, 0);
});

test('a hold is broken where its certificate is published all the same: status says so until it is resumed', async (t) => {
  const { publish, run } = await stage(t);
  await publish('kept');
  await run(holdCommand, 'hold', 'kept', ...REASON);
  await publish('kept');

  const { status, out } = await run(statusCommand, 'status');

  assert.equal(status, 1);
  assert.match(
    out,
    /^wrong: kept: the hold of .* ago \(old phones\) is broken: kept \(fleet edge\) was published/m,
  );
  await run(resumeCommand, 'resume', 'kept');
  assert.equal((await run(statusCommand, 'status')).status, 0);
});

test('a hold that cannot be read is told as unknown, and resume ends it', async (t) => {
  const { bucket, publish, run } = await stage(t);
  await publish('kept');
  await bucket.put(layout.fleetHold(edge), '[[[');

  const { status, out } = await run(statusCommand, 'status');

  assert.equal(status, 2);
  assert.match(
    out,
    /^unknown: fleet edge: is held, and until when and why is unknown: ERR_HOLD .*pemfleet resume --fleet edge ends it/m,
  );
  assert.equal((await run(holdCommand, 'hold')).status, 2);
  await run(resumeCommand, 'resume', '--fleet', 'edge');
  assert.equal((await run(statusCommand, 'status')).status, 0);
});

test('resume ends no hold that somebody writes at that moment, and goes on with the others', async (t) => {
  const { bucket, publish, run } = await stage(t, {
    certificates: ['kept', 'other'].map((name) => ({
      name,
      identifiers: [`${name}.test`],
      fleets: ['edge'],
    })),
  });
  await publish('kept');
  await publish('other');
  await run(holdCommand, 'hold', 'kept', 'other', ...REASON);
  const read = DirectoryBucket.prototype.get;
  const by = { version: 1, at: new Date().toISOString(), reason: 'an audit', by: 'somebody else' };
  const mock = t.mock.method(
    DirectoryBucket.prototype,
    'get',
    async function (this: DirectoryBucket, at: string) {
      const object = await read.call(this, at, { ifNoneMatch: '' });
      if (at === key) await this.put(key, JSON.stringify(by));
      return object;
    },
  );

  const resumed = await run(resumeCommand, 'resume', 'kept', 'other', '--json');
  mock.mock.restore();

  assert.equal(resumed.status, 1);
  assert.match(resumed.err, /^kept: is held anew since this command has read its hold: it stays$/m);
  assert.deepEqual(
    JSON.parse(resumed.out).resumed.map((one: { certificate: string }) => one.certificate),
    ['other'],
  );
  const { holds } = JSON.parse((await run(holdCommand, 'hold', '--json')).out);
  assert.deepEqual(
    holds.map((one: { certificate: string; reason: string }) => [one.certificate, one.reason]),
    [['kept', 'an audit']],
  );
  assert.ok(await bucket.get(key));
});

for (const [says, args, message] of [
  ['no reason', ['kept'], /^UsageError .*hold wants --reason TEXT/],
  ['an end that is past', ['kept', ...REASON, '--until', '2020-01-01'], /^UsageError .*a time to come/],
  ['a name and a fleet', ['kept', '--fleet', 'edge', ...REASON], /^UsageError .*saw both/],
  [
    'a fleet that nothing is configured for',
    ['--fleet', 'egde', ...REASON],
    /^CommandRefused .*configured: edge/,
  ],
  [
    'a name that nobody knows',
    ['kpet', ...REASON],
    /^CommandRefused .*no certificate kpet is known; is it kept\?/,
  ],
  [
    'what is published and not configured',
    ['gone', ...REASON],
    /^CommandRefused .*published and not configured/,
  ],
  [
    'what was never published',
    ['new', ...REASON],
    /^CommandRefused .*not published: there is nothing to hold/,
  ],
  ['what has to be renewed now', ['old', ...REASON], /^CommandRefused .*less than a fifth of its life left/],
] as const) {
  test(`hold: ${says} is refused, and nothing is held`, async (t) => {
    const names = ['kept', 'new', 'old'];
    const { bucket, publish, run } = await stage(t, {
      certificates: names.map((name) => ({ name, identifiers: [`${name}.test`], fleets: ['edge'] })),
    });
    await publish('kept');
    await publish('gone');
    await publish('old', ['old.test'], 80 * DAY_MS);

    const { status } = await run(holdCommand, 'hold', ...args);

    assert.match(String(status), message);
    assert.deepEqual(await bucket.list(layout.holds), []);
  });
}

test('a name that nobody knows and a day that there is not are said, and not passed over', async (t) => {
  const { publish, run } = await stage(t);
  await publish('kept');

  const unknown = await run(auditCommand, 'audit', 'nope');
  const noDay = await run(auditCommand, 'audit', '--after', '2026-02-30');

  assert.match(unknown.err, /^no line of the trail is about that$/m);
  assert.match(String(noDay.status), /^UsageError .*--after wants a time in UTC/);
});

test('a record of what was ended that cannot be read is told by status, as by each pass', async (t) => {
  const { bucket, publish, run } = await stage(t);
  await publish('kept');
  await bucket.put(layout.tombstones(edge), '[[[');

  const { status, out } = await run(statusCommand, 'status');

  assert.equal(status, 1);
  assert.match(out, /^wrong: fleet edge: what was withdrawn or revoked .*ERR_TOMBSTONES /m);
});

test('plan says beside what is fresh that somebody holds it', async (t) => {
  const { publish, run } = await stage(t);
  await publish('kept');
  await run(holdCommand, 'hold', 'kept', ...REASON);

  const { err } = await run(planCommand, 'plan');

  assert.match(err, /^kept +kept +fresh until .* held: old phones$/m);
});
