// What others do to our files, our memory and HAProxy, and what a pass makes of it.
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';

for (const version of haproxyVersions) {
  test(`${version}: drift of any kind is repaired`, async (t) => {
    const stage = await makeStage(t, { version });
    const { haproxy } = stage;
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const path = join(haproxy.certsDir, 'shop.pem');
    const other = await stage.pki.issue({ names: ['shop.test'] });
    const drifts: [string, () => unknown][] = [
      ['repair', () => writeFileSync(path, other.combined)],
      ['repair', () => rmSync(path)],
      ['repair', () => chmodSync(path, 0o644)],
      [
        'load',
        async () => {
          await haproxy.command(`set ssl cert ${path} <<\n${other.combined}\n`);
          await haproxy.command(`commit ssl cert ${path}`);
        },
      ],
      [
        'load',
        async () => {
          await haproxy.command(`del ssl crt-list ${haproxy.certsDir} ${path}`);
          await haproxy.command(`del ssl cert ${path}`);
        },
      ],
    ];

    for (const [action, drift] of drifts) {
      await drift();
      const repaired = await stage.pass(['--json']);

      assertOk(repaired);
      assert.deepEqual(actionsOf(repaired), [['shop.pem', action]]);
      assert.equal(stage.pem('shop'), pem);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    }
  });
}

test('two agents at once, with different memories: one after another, nothing mixed', async (t) => {
  const stage = await makeStage(t, { version: '2.6' });
  const names = ['a', 'b', 'c', 'd'];
  const pems: Record<string, string> = {};
  for (const name of names) pems[name] = await stage.publish(name, { names: [`${name}.test`] });

  const results = await Promise.all([
    stage.agent('sync'),
    stage.agent('sync', { args: ['--state-dir', join(stage.dir, 'state2')] }),
    stage.agent('sync'),
  ]);

  for (const result of results) assertOk(result);
  assert.deepEqual(
    stage.files(),
    names.map((name) => `${name}.pem`),
  );
  for (const name of names) {
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems[name] as string));
  }
});

test('a new bucket out of reach: the last good manifest still holds, and repairs from disk go on', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  await stage.haproxy.command(
    `del ssl crt-list ${stage.haproxy.certsDir} ${stage.haproxy.certsDir}/shop.pem`,
  );
  writeFileSync(join(stage.dir, 'file'), '');

  const result = await stage.pass(['--bucket', `file://${stage.dir}/file/bucket`]);

  assert.equal(result.code, 1);
  assert.match(result.stderr, /event=manifest\.failed code=ERR_BUCKET_IO/);
  assert.match(result.stderr, /event=certificate\.loaded/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
});

test('a pem owned and readable as configured; a mode that changes is applied without touching HAProxy', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());

  const result = await stage.pass(['--pem-mode', '0640', '--pem-group', '1']);

  assertOk(result);
  const { mode, gid } = statSync(join(stage.haproxy.certsDir, 'shop.pem'));
  assert.deepEqual([mode & 0o777, gid], [0o640, 1]);
  assert.doesNotMatch(result.stderr, /certificate\.loaded/);
});

test('a broken memory is forgotten with a word, and nothing is lost', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  for (const name of readdirSync(stage.stateDir)) writeFileSync(join(stage.stateDir, name), '{"half":');

  const result = await stage.pass();

  assertOk(result);
  const reset = new Set(
    result.stderr.match(/(?<=event=state\.reset file=)\S+/g)?.map((path) => basename(path)),
  );
  assert.deepEqual(
    reset,
    new Set(['state.json', 'manifest.json', 'status.json', 'trust.json', 'proofs.json']),
  );
  assert.equal((await stage.pass()).stderr.includes('state.reset'), false);
});

test('temporary and kept files of a killed run are swept, foreign dot-files are not', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const stray = [
    '.shop.pem.0123456789ab.pemfleet-tmp',
    '.shop.pem.pemfleet-previous',
    '.old.pem.pemfleet-previous',
    '.mine',
  ];
  for (const name of stray) writeFileSync(join(stage.haproxy.certsDir, name), 'x');

  assertOk(await stage.pass());

  // old.pem was never ours
  assert.deepEqual(stage.files(), ['.mine', '.old.pem.pemfleet-previous', 'shop.pem']);
});

test('a file of ours that somebody has replaced is left where it is when the manifest drops it', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const { combined } = await stage.pki.issue({ names: ['shop.test'] });
  writeFileSync(join(stage.haproxy.certsDir, 'shop.pem'), combined);
  await stage.withdraw('shop');

  assertOk(await stage.pass());

  assert.equal(stage.pem('shop'), combined);
});
