// Withdrawn for a stolen key: the private keys are gone at once, and the history says from when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { historyCommand } from '../../../../lambda/commands/undo/history.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { withdrawCommand } from '../../../../lambda/commands/withdraw.ts';
import { eraseStolenKeys } from '../../../../lambda/publication/history/stolen-keys.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { readPublished } from '../../../support/issuer/signing.ts';
import { certificate, edge, stage } from './stage.ts';

test('withdraw --stolen deletes every key of the name at once, a dry run none, and it can be typed twice', async (t) => {
  const { bucket, publish, run } = await stage(t);
  for (const name of ['gone', 'gone', 'gone', 'other']) await publish(name);
  const keysOf = (name: string) => bucket.list(layout.pems(edge, certificate(name)));
  assert.equal((await keysOf('gone')).length, 3);

  await run(withdrawCommand, 'withdraw', 'gone', '--stolen', '--dry-run');
  assert.equal((await keysOf('gone')).length, 3);
  const first = await run(withdrawCommand, 'withdraw', 'gone', '--stolen');
  assert.deepEqual([await keysOf('gone'), (await keysOf('other')).length], [[], 1]);
  const { tombstones } = (await readPublished(bucket, edge))?.manifest ?? {};
  const tombstone = tombstones?.[certificate('gone')];
  assert.ok(tombstone);
  assert.equal(tombstone.stolenAt, tombstone.at, 'hosts delete what they have kept of it');
  const again = await run(withdrawCommand, 'withdraw', 'gone', '--stolen');

  assert.deepEqual([first.status, again.status], [0, 0], first.err + again.err);
  const history = await run(historyCommand, 'history', 'gone', '--json');
  const { versions } = JSON.parse(history.out).fleets[0] as {
    versions: { isKeyThere: boolean; keyDeletedAt: string }[];
  };
  assert.equal(versions.length, 3);
  for (const { isKeyThere, keyDeletedAt } of versions) {
    assert.deepEqual([isKeyThere, keyDeletedAt.slice(0, 10)], [false, new Date().toISOString().slice(0, 10)]);
  }
  const table = await run(historyCommand, 'history', 'gone');
  assert.match(table.out, /gone since 20/);
  const { out } = await run(auditCommand, 'audit', '--json');
  const facts = (JSON.parse(out).lines as { action: string; reason?: string }[]).map(
    ({ action, reason }) => `${action} ${reason}`,
  );
  assert.ok(facts.includes('key-deleted stolen'), facts.join());
});

test('a key that keyRetention has deleted is no way back, and rollback says since when', async (t) => {
  const { bucket, publish, run, entryOf } = await stage(t);
  const serial = await publish('kept');
  await publish('kept');
  const sha256 = (await entryOf('kept'))?.previous?.pems[0]?.sha256 ?? '';
  await bucket.delete(layout.pem(edge, certificate('kept'), sha256));
  const key = layout.history(edge, certificate('kept'));
  const text = (await bucket.get(key))?.body.toString() ?? '';
  const { versions } = JSON.parse(text);
  versions[1].keyDeletedAt = '2026-01-02T03:04:05.000Z';
  await bucket.put(key, JSON.stringify({ version: 1, versions }));

  const { status } = await run(rollbackCommand, 'rollback', 'kept', '--to', serial, '--reason', 'x');

  assert.match(
    String(status),
    /no private key in the bucket any more: it was deleted at 2026-01-02T03:04:05/,
  );
});

test('what is in force stays, whatever is said to be stolen; a manifest that cannot be read stops the fleet, and is told', async (t) => {
  const { bucket, publish, signing, entryOf } = await stage(t);
  await publish('kept');
  await publish('kept');
  const [inForce] = (await entryOf('kept'))?.pems ?? [];
  const pass = { bucket, signing, log: () => undefined };
  const stolen = { name: certificate('kept'), now: new Date(), again: 'pemfleet withdraw kept --stolen' };

  const nothing = { problems: [], isKeyLeft: false };
  assert.deepEqual(await eraseStolenKeys(pass, [edge], stolen), nothing);
  const left = [layout.pem(edge, certificate('kept'), inForce?.sha256 ?? '')];
  assert.deepEqual(await bucket.list(layout.pems(edge, certificate('kept'))), left);

  await bucket.put(layout.root(edge), 'no root');
  const { problems, isKeyLeft } = await eraseStolenKeys(pass, [edge], stolen);
  assert.match(problems[0] ?? '', /^fleet edge: ERR_/);
  assert.equal(isKeyLeft, true);
  assert.deepEqual(await bucket.list(layout.pems(edge, certificate('kept'))), left);
});

test('who may delete objects and no versions has deleted the keys, and reads what is left to do', async (t) => {
  const { bucket, publish, signing } = await stage(t);
  await publish('kept');
  await publish('kept');
  const denied = interposed(bucket, {
    erase: async (key, what) => {
      if (what === 'all') await bucket.delete(key);
      throw new BucketError('ERR_BUCKET_DENIED', key, 'is denied: the role needs s3:DeleteObjectVersion');
    },
  });

  const { problems, isKeyLeft } = await eraseStolenKeys(
    { bucket: denied, signing, log: () => undefined },
    [edge],
    { name: certificate('kept'), now: new Date(), again: 'pemfleet withdraw kept --stolen' },
  );

  assert.equal((await bucket.list(layout.pems(edge, certificate('kept')))).length, 1);
  assert.match(
    problems.join(),
    /stay until the bucket's lifecycle ends them.*: pemfleet withdraw kept --stolen/,
  );
  assert.equal(isKeyLeft, false, 'what is left are versions');
});
