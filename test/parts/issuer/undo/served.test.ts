// `pemfleet audit --serial` over a directory: what is lost or unreadable is no "nobody", what hosts say now counts, and the answer comes at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, SECOND_MS } from '#common/time.ts';
import type { FileStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { historyCommand } from '../../../../lambda/commands/undo/history.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { readExposures } from '../../../../lambda/fleet/served/query.ts';
import { recordServed } from '../../../../lambda/fleet/served/record.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { certificate, edge, stage } from './stage.ts';

type Stage = Awaited<ReturnType<typeof stage>>;
const AFTER = ['--after', new Date(Date.now() - DAY_MS).toISOString()];

/** As a host reports what is in force. */
async function serve({ entryOf, report }: Stage, host: string) {
  const [pem] = (await entryOf('kept'))?.pems ?? [];
  const wanted = { sha256: pem?.sha256 ?? '', serial: pem?.serial ?? '' };
  const since = new Date().toISOString();
  await report(host, [
    { file: 'kept.pem', certificate: 'kept', state: 'served', since, wanted } as FileStatus,
  ]);
}

function record({ bucket }: Stage, serial: string, host: string) {
  const [since, at] = [new Date(), new Date()];
  const served = [{ serial, since, isProved: true }];
  const change = { fleet: edge, certificate: certificate('kept'), host, at, before: undefined, served };
  return recordServed(bucket, [change], at);
}

test('hosts whose last report names the serial are shown, also where the record is gone or cannot be read; then nobody can tell', async (t) => {
  const staged = await stage(t);
  const { bucket, publish, run } = staged;
  const serial = await publish('kept');
  await serve(staged, 'lb1');
  const ask = () => run(auditCommand, 'audit', '--serial', serial, ...AFTER);

  const gone = await ask();
  await bucket.put(layout.served(edge, certificate('kept')), 'garbage');
  const spoilt = await ask();

  for (const { status, out, err } of [gone, spoilt]) {
    assert.equal(status, 2, err);
    assert.match(out, /^lb1 +edge +kept .* serves it /m);
    assert.match(err, /^1 host served .*\nedge\/kept: its record .*who has served it before is unknown$/m);
  }
});

test('a serial that was published, and of which no host was ever heard, is no "nobody"', async (t) => {
  const { publish, run } = await stage(t);
  const serial = await publish('kept');

  const { status, err } = await run(auditCommand, 'audit', '--serial', serial, ...AFTER);

  assert.equal(status, 2);
  assert.match(err, /^0 hosts served .*\nedge\/kept: its record /);
});

test('a record that begins after another version took its place says nothing of it; one that was there says that nobody served it', async (t) => {
  const staged = await stage(t);
  const { publish, run } = staged;
  const [lost, second] = [await publish('kept'), await publish('kept')];
  await record(staged, second, 'lb1');
  const never = await publish('kept');

  const [ofLost, ofNever] = [
    await run(auditCommand, 'audit', '--serial', lost, ...AFTER),
    await run(auditCommand, 'audit', '--serial', never, ...AFTER),
  ];

  assert.deepEqual([ofLost.status, ofNever.status], [2, 0], ofLost.err + ofNever.err);
  assert.match(ofLost.err, /edge\/kept: its record /);
});

test('what came and went by commands, between two passes, was served all the same', async (t) => {
  const staged = await stage(t);
  const { publish, run } = staged;
  const [first, second] = [await publish('kept'), await publish('kept')];
  const since = new Date();
  await serve(staged, 'lb1');
  const back = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'try');
  await serve(staged, 'lb1');
  const forth = await run(rollbackCommand, 'rollback', 'kept', '--to', second, '--reason', 'again');
  await serve(staged, 'lb1');
  assert.deepEqual([back.status, forth.status], [0, 0], back.err + forth.err);

  const { status, out, err } = await run(
    ...([auditCommand, 'audit', '--serial', first, '--after', since.toISOString()] as const),
  );

  assert.equal(status, 1, err);
  assert.match(out, /^lb1 +edge +kept /m);
  assert.match(err, /^1 host served /);
});

test('a name and a fleet narrow the question about a serial, and a fleet that nobody knows is said', async (t) => {
  const staged = await stage(t);
  const { publish, run } = staged;
  const serial = await publish('kept');
  await publish('other');
  await record(staged, serial, 'lb1');
  await serve(staged, 'lb1');

  const [meant, other, fleet, plain, history, verify] = [
    await run(auditCommand, 'audit', 'kept', '--fleet', 'edge', '--serial', serial),
    await run(auditCommand, 'audit', 'other', '--serial', serial),
    await run(auditCommand, 'audit', '--fleet', 'nope', '--serial', serial),
    await run(auditCommand, 'audit', '--fleet', 'nope'),
    await run(historyCommand, 'history', 'kept', '--fleet', 'nope'),
    await run(auditCommand, 'audit', 'kept', '--verify'),
  ];

  assert.equal(meant.status, 0, meant.err);
  assert.match(meant.err, /^1 host served/);
  assert.deepEqual([other.status, other.out], [2, '']);
  assert.match(other.err, /^nothing of other is known to have the serial /);
  for (const { status } of [fleet, plain, history]) {
    assert.match(String(status), /^UsageError .*no fleet nope; known: edge$/);
  }
  assert.match(String(verify.status), /^UsageError .*--verify reads the whole trail: it takes no name/);
});

test('a history that cannot be read is said: exit status 2, and the version in force is shown', async (t) => {
  const { bucket, publish, run } = await stage(t);
  await publish('kept');
  const serial = await publish('kept');
  await bucket.put(layout.history(edge, certificate('kept')), 'garbage');

  const [table, json] = [
    await run(historyCommand, 'history', 'kept'),
    await run(historyCommand, 'history', 'kept', '--json'),
  ];

  assert.deepEqual([table.status, json.status], [2, 2]);
  assert.match(table.out, new RegExp(`^${serial} .* in force `, 'm'));
  assert.match(table.err, /issuer\/history\/edge\/kept\.json cannot be read: earlier versions are unknown/);
  assert.equal(JSON.parse(json.out).fleets[0].isHistoryUnreadable, true);
});

test('in a pipe, why and by whom are whole, however long the serials are', async (t) => {
  const { publish, run } = await stage(t);
  const why =
    'the chain breaks the old clients of the shop in Lyon, ticket 4711, see the runbook of the team';
  await publish('kept');
  await publish('kept', ['kept.test'], 0, why);

  const [trail, history] = [await run(auditCommand, 'audit'), await run(historyCommand, 'history', 'kept')];

  assert.match(trail.out, new RegExp(`timer +${why} · pemfleet run$`, 'm'));
  assert.match(history.out, new RegExp(`renewed: ${why} +timer · pemfleet run$`, 'm'));
});

test('a year of renewals on 100 hosts is answered at once: one read of the record, one of each status', async (t) => {
  const staged = await stage(t);
  const { bucket, publish, run } = staged;
  const [hosts, versions] = [100, 52];
  const now = Date.now();
  const at = (index: number) => new Date(now - (versions - index) * 7 * DAY_MS);
  const serialOf = (index: number) => (0xabc000 + index).toString(16).toUpperCase();
  const document = {
    version: 1,
    versions: Array.from({ length: versions }, (_, index) => ({
      serial: serialOf(index),
      hosts: Object.fromEntries(
        Array.from({ length: hosts }, (__, host) => [
          `lb${host}`,
          [{ first: at(index), last: at(index + 1), gone: at(index + 1), isProved: true }],
        ]),
      ),
    })),
  };
  const kept = certificate('kept');
  await publish('kept');
  // The trail has the year, too: of 20 certificates.
  const names = Array.from({ length: 20 }, (_, index) => certificate(`c${index}.test`));
  for (const name of [kept, ...names]) await bucket.put(layout.served(edge, name), JSON.stringify(document));
  const audit = new AuditTrail(bucket, { by: 'timer', command: 'pemfleet run' }, () => new Date());
  for (let index = 0; index < versions; index += 1) {
    const after = [serialOf(index)];
    await audit.record(
      [kept, ...names].map((name) => ({ action: 'renewed', fleet: edge, certificate: name, after })),
    );
  }
  for (let host = 0; host < hosts; host += 1) await serve(staged, `lb${host}`);
  const reads: string[] = [];
  const counted = interposed(bucket, {
    get: (key) => {
      reads.push(key);
      return bucket.get(key);
    },
  });

  const subjects = [{ fleet: edge, certificate: kept }];
  const { exposures } = await readExposures(counted, subjects, { serial: serialOf(40) });
  const begin = performance.now();
  const year = ['--after', new Date(now - 365 * DAY_MS).toISOString()];
  const { status, err } = await run(auditCommand, 'audit', 'kept', '--serial', serialOf(40), ...year);
  const ms = performance.now() - begin;

  assert.equal(exposures.length, hosts);
  assert.equal(reads.filter((key) => key.startsWith('issuer/')).length, 2, reads.join());
  assert.equal(reads.length, hosts + 2);
  assert.deepEqual(
    [status, err],
    [1, `100 hosts served ${serialOf(40)} after ${year[1]?.slice(0, 16).replace('T', ' ')}\n`],
  );
  assert.ok(ms < 5 * SECOND_MS, `${ms} ms`);
});
