// `pemfleet audit` and `pemfleet history` over a directory: who changed what, who served what, and whether the trail is whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { keyCommand } from '../../../../lambda/commands/key.ts';
import { takeOverCommand } from '../../../../lambda/commands/take-over.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { historyCommand } from '../../../../lambda/commands/undo/history.ts';
import { withdrawCommand } from '../../../../lambda/commands/withdraw.ts';
import { recordServed } from '../../../../lambda/fleet/served/record.ts';
import { certificate, edge, stage } from './stage.ts';

test('each command that changes something leaves its line, a dry run leaves none, and a flipped byte is found', async (t) => {
  const { bucket, publish, run } = await stage(t);
  const gone = await publish('gone');
  await run(withdrawCommand, 'withdraw', 'gone', '--dry-run');
  await run(withdrawCommand, 'withdraw', 'gone', '--reason', 'sold');
  await run(keyCommand, 'key', 'rotate');
  await run(takeOverCommand, 'take-over');

  const { status, out, err } = await run(auditCommand, 'audit', '--json');

  assert.equal(status, 0, err);
  const { lines, end } = JSON.parse(out);
  assert.deepEqual(
    lines.map(({ action, certificate: name, before, after }: Record<string, unknown>) => [
      action,
      name,
      before,
      after,
    ]),
    [
      ['renewed', 'gone', [], [gone]],
      ['withdrawn', 'gone', [gone], []],
      ['key-rotated', undefined, undefined, undefined],
      ['took-over', undefined, undefined, undefined],
    ],
  );
  assert.equal(lines[1].reason, 'sold');
  assert.ok(lines[1].isClaimed && lines[1].by && lines[1].host && /^pemfleet/.test(lines[1].command));
  const verified = await run(auditCommand, 'audit', '--verify', '--noted', `${end.sequence}:${end.hash}`);
  assert.deepEqual([verified.status, verified.err], [0, '']);

  const text = (await bucket.get(layout.auditLines(1)))?.body.toString() ?? '';
  await bucket.put(layout.auditLines(1), text.replace('"renewed"', '"renewee"'));
  const changed = await run(auditCommand, 'audit', '--verify');

  assert.equal(changed.status, 1);
  assert.match(
    changed.err,
    /^the trail was changed: issuer\/audit\/00000001\.jsonl, line 2: number 2: the line before it was changed/,
  );
});

test('did any host serve this certificate after that time? Yes, no, and cannot tell have each their exit status', async (t) => {
  const { bucket, publish, run } = await stage(t);
  const serial = await publish('kept');
  const [began, ended] = [new Date('2026-01-01T10:00:00Z'), new Date('2026-01-05T10:00:00Z')];
  const change = { fleet: edge, certificate: certificate('kept'), host: 'lb1' };
  const served = [{ serial, since: began, isProved: true }];
  await recordServed(bucket, [{ ...change, at: began, before: undefined, served }], began);
  await recordServed(
    bucket,
    [{ ...change, at: ended, before: new Date('2026-01-05T09:00:00Z'), served: [] }],
    ended,
  );

  const colons = (serial.match(/../g) ?? []).join(':').toLowerCase();
  const [before, later, unknown] = [
    await run(auditCommand, 'audit', '--serial', colons, '--after', '2026-01-04'),
    await run(auditCommand, 'audit', 'kept', '--serial', serial, '--after', '2026-01-06'),
    await run(auditCommand, 'audit', '--serial', 'ABCDEF'),
  ];

  assert.deepEqual([before.status, later.status, unknown.status], [1, 0, 2]);
  assert.match(
    before.out,
    /lb1 +edge +kept +2026-01-01 10:00 +2026-01-05 09:00 +before 2026-01-05 10:00 +handshake/,
  );
  assert.match(later.err, new RegExp(`^0 hosts served ${serial} after 2026-01-06 00:00`));
  assert.match(unknown.err, /nothing of ours is known to have the serial ABCDEF/);
  const zero = await run(auditCommand, 'audit', '--serial', '02732E');
  assert.match(zero.err, /nothing of ours is known to have the serial 02732E$/m);
});

test('the history has each version: when, why, by whom, from which CA, and whether its key is there', async (t) => {
  const { bucket, publish, run, entryOf } = await stage(t);
  const [first, second] = [await publish('kept'), await publish('kept')];
  const sha256 = (await entryOf('kept'))?.previous?.pems[0]?.sha256 ?? '';
  await bucket.delete(layout.pem(edge, certificate('kept'), sha256));

  const { status, out } = await run(historyCommand, 'history', 'kept', '--json');
  const table = await run(historyCommand, 'history', 'kept');

  assert.deepEqual([status, table.status], [0, 0]);
  const [{ fleet, versions }] = JSON.parse(out).fleets;
  assert.equal(fleet, 'edge');
  assert.deepEqual(
    (versions as Shown[]).map(({ pems, isInForce, isKeyThere, until, why }) => [
      ...[pems[0]?.serial, isInForce, isKeyThere, until === undefined, why],
    ]),
    [second, first].map((serial, index) => [
      ...[serial, index === 0, index === 0, index === 0],
      { action: 'renewed', reason: 'lifetime', by: 'timer', command: 'pemfleet run' },
    ]),
  );
  assert.match(table.out, new RegExp(`${second}.* in force .*\n${first}.* replaced .* gone `));
});

interface Shown {
  pems: { serial: string }[];
  isInForce: boolean;
  isKeyThere: boolean;
  until?: string;
  why: object;
}

for (const [says, args, message] of [
  ['a time in words', ['--after', 'yesterday'], /--after wants a time in UTC such as/],
  ['a serial that is none', ['--serial', 'xyz'], /--serial wants hexadecimal digits/],
  ['an end that is none', ['--verify', '--noted', '12'], /--noted wants an end as/],
  ['--noted alone', ['--noted', `1:${'0'.repeat(64)}`], /--noted goes with --verify/],
  ['a path', ['../x'], /is no name/],
] as const) {
  test(`audit: ${says} is refused`, async (t) => {
    const { run } = await stage(t);

    const { status } = await run(auditCommand, 'audit', ...args);

    assert.match(String(status), /^UsageError /);
    assert.match(String(status), message);
  });
}

test('the history of what was withdrawn says since when it is gone, and until when its key stays', async (t) => {
  const { publish, run } = await stage(t);
  const serial = await publish('gone');
  await run(withdrawCommand, 'withdraw', 'gone');

  const { out } = await run(historyCommand, 'history', 'gone');

  const minute = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d`;
  assert.match(
    out,
    new RegExp(`^${serial} +${minute} +${minute} +withdrawn .* there, till \\d{4}-\\d\\d-\\d\\d `, 'm'),
  );
});
