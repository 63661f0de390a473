// What takes a certificate away: a withdrawal at once, a successor when this host serves it (field.md A5, A6).
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { fleet } from '../../../support/agent/host.ts';
import { entryFor, pemRefFor, serialOf, signedRoot } from '../../../support/agent/publish.ts';
import { makeReloadable } from '../../../support/agent/reloadable.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { startVisitor } from '../../../support/agent/visitor.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';

const version = '3.2';
const hourMs = 3_600_000;

test('A5: the order of the names changes, and so the name: the old certificate goes when the new one is served, in the same pass', async (t) => {
  const stage = await makeStage(t, { version });
  const names = ['example.test', 'www.example.test'];
  const old = await stage.publish('example.test', { names, notBefore: new Date(Date.now() - 48 * hourMs) });
  assertOk(await stage.pass());
  const visitor = startVisitor(stage.haproxy.httpsPort);
  t.after(() => visitor.stop());
  const next = await stage.publish('www.example.test', { names: names.toReversed() });
  for (const name of names) {
    visitor.require(name, old);
    visitor.allow(name, next);
  }
  await stage.withdraw('example.test', {
    reason: 'superseded',
    by: [certificateName.parse('www.example.test')],
  });

  const pass = await stage.pass();

  assertOk(pass);
  assert.match(
    pass.stderr,
    /event=certificate\.removed certificate=example\.test .*superseded by www\.example\.test/,
  );
  assert.deepEqual(stage.files(), ['www.example.test.pem']);
  for (const name of names) assert.equal((await stage.handshake(name)).serial, serialOf(next));
  assert.deepEqual((await visitor.stop()).wrong, []);
  assert.deepEqual(
    (await stage.status()).files.map(({ file, state }) => [file, state]),
    [['www.example.test.pem', 'served']],
  );
});

test('A5 before its tombstone, and beside an older one that has expired: the new one is on the wire, and nothing is a failure', async (t) => {
  const stage = await makeStage(t, { version });
  const names = ['example.test', 'www.example.test'];
  await stage.publish('example.test', { names, notBefore: new Date(Date.now() - 48 * hourMs) });
  assertOk(await stage.pass());
  const next = await stage.publish('www.example.test', { names: names.toReversed() });
  await stage.unpublish('example.test');

  const passes = [await stage.pass(), await stage.pass()];
  await stage.haproxy.restart();
  passes.push(await stage.pass());

  for (const pass of passes) assertOk(pass);
  for (const name of names) assert.equal((await stage.handshake(name)).serial, serialOf(next));
  assert.deepEqual(
    (await stage.status()).files.map(({ file, state, isUnlisted }) => [file, state, isUnlisted]),
    [
      ['example.test.pem', 'served', true],
      ['www.example.test.pem', 'served', undefined],
    ],
  );
});

test('superseded by what is not served yet, lacks a name, or is unknown here: it stays until that is over', async (t) => {
  const stage = await makeStage(t, { version });
  const old = await stage.publish('old', { names: ['a.test', 'b.test'] });
  assertOk(await stage.pass());
  const by = ['new', 'other'].map((name) => certificateName.parse(name));
  await stage.withdraw('old', { reason: 'superseded', by });
  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), ['old.pem']);
  const next = await stage.publish('new', {
    names: ['a.test'],
    notBefore: new Date(Date.now() - 48 * hourMs),
  });

  assertOk(await stage.pass());

  assert.deepEqual(stage.files(), ['new.pem', 'old.pem']);
  assert.equal(
    (await stage.handshake('a.test')).serial,
    serialOf(next),
    'it stands behind its successor, though it is newer',
  );
  assert.equal((await stage.handshake('b.test')).serial, serialOf(old));
  const other = await stage.publish('other', { names: ['b.test'] });
  rmSync(join(stage.bucketDir, layout.pem(fleet, certificateName.parse('other'), pemRefFor(other).sha256)));
  assert.equal((await stage.pass()).code, 3);
  assert.equal((await stage.handshake('b.test')).serial, serialOf(old), 'the successor cannot be fetched');
  await stage.publishBytes('other', other, entryFor(other, ['b.test']));
  assertOk(await stage.pass(['--retry']));
  assert.deepEqual(stage.files(), ['new.pem', 'other.pem']);
  assert.equal((await stage.handshake('b.test')).serial, serialOf(other));
});

test('A6: withdrawn while HAProxy is down: the file goes when HAProxy is back', async (t) => {
  const { workDir } = makeWorkDir(t);
  const stage = await makeStage(t, { version, workDir });
  await stage.publish('gone', { names: ['gone.test'] });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  await stage.haproxy.stop();
  await stage.withdraw('gone');

  await stage.pass();

  const { removals = [] } = await stage.status();
  assert.deepEqual(
    removals.map(({ file, state }) => [file, state]),
    [['gone.pem', 'pending']],
  );
  await stage.haproxy.restart();
  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), ['shop.pem']);
  await assert.rejects(stage.handshake('gone.test'));
});

test('A6: withdrawn and published anew under the name: a host that slept through both has the new one', async (t) => {
  const stage = await makeStage(t, { version });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('pair', { names: ['pair.test'] });
  assertOk(await stage.pass());
  await stage.withdraw(['shop', 'pair']);
  const next = await stage.publish('shop', { names: ['shop.test'] });

  assertOk(await stage.pass());

  assert.equal(stage.pem('shop'), next);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(next));
  assert.deepEqual(stage.files(), ['shop.pem']);
});

test('an entry and a tombstone of one PEM in one manifest: the tombstone wins, on a host that has it and on one that has not', async (t) => {
  const stage = await makeStage(t, { version });
  await stage.publish('shop', { names: ['shop.test'] });
  const pem = await stage.publish('bad', { names: ['bad.test'] });
  assertOk(await stage.pass());
  const { sha256, notAfter } = pemRefFor(pem);
  const manifest = await stage.manifest();
  const tombstone = { reason: 'revoked', at: new Date().toISOString(), pems: [{ sha256, notAfter }] };
  await stage.putRoot(signedRoot({ ...manifest, tombstones: { [certificateName.parse('bad')]: tombstone } }));

  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), ['shop.pem']);
  rmSync(stage.stateDir, { recursive: true });
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  assertOk(await stage.pass());

  assert.deepEqual(stage.files(), ['shop.pem']);
  assert.deepEqual(
    (await stage.status()).files.map(({ file }) => file),
    ['shop.pem'],
  );
});

test('both records are lost, and the certificate was renewed since: the file is known by its former publication', async (t) => {
  const stage = await makeStage(t, { version });
  const first = await stage.publish('shop', { names: ['shop.test'] });
  const handmade = await stage.pki.issue({ names: ['legacy.test'] });
  writeFileSync(join(stage.haproxy.certsDir, 'legacy.pem'), handmade.combined);
  assertOk(await stage.pass());
  rmSync(stage.stateDir, { recursive: true });
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  const { combined: second } = await stage.pki.issue({ names: ['shop.test'] });
  const previous = { publishedAt: new Date().toISOString(), pems: [pemRefFor(first)] };
  await stage.publishBytes('shop', second, { ...entryFor(second, ['shop.test']), previous });
  await stage.withdraw('legacy', {
    pems: [{ sha256: 'a'.repeat(64), notAfter: new Date(Date.now() + hourMs).toISOString() }],
  });

  assertOk(await stage.pass());

  assert.equal(stage.pem('shop'), second);
  assert.equal(readFileSync(join(stage.haproxy.certsDir, 'legacy.pem'), 'utf8'), handmade.combined);
  assert.equal(existsSync(join(stage.haproxy.certsDir, '.shop.pem.pemfleet-previous')), false);
});

test('without a stats socket: what the manifest lacks stays and is proved; what it ends stays too, and the status says what to do', async (t) => {
  const { stage, sync } = await makeReloadable(t, version);
  const blind = () => sync('--stats-socket', '/nonexistent.sock');
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('other', { names: ['other.test'] });
  assertOk(await blind());
  await stage.unpublish('shop');

  assertOk(await blind());
  const [, unlisted] = (await stage.status()).files;
  assert.deepEqual([unlisted?.file, unlisted?.state, unlisted?.isUnlisted], ['shop.pem', 'served', true]);
  await stage.withdraw('shop');
  const passes = [await blind(), await blind()];

  assert.deepEqual(
    passes.map(({ code }) => code),
    [3, 3],
  );
  assert.match(passes[0]?.stderr ?? '', /event=certificate\.needs-reload certificate=shop /);
  assert.doesNotMatch(passes[1]?.stderr ?? '', /needs-reload certificate=shop/, 'told once');
  const { removals = [] } = await stage.status();
  assert.deepEqual(
    removals.map(({ file, error }) => [file, error?.code]),
    [['shop.pem', 'ERR_RUNTIME_NO_SOCKET']],
  );
  assert.match(removals[0]?.error?.message ?? '', /delete the file .*, then reload/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  rmSync(join(stage.haproxy.certsDir, 'shop.pem'));
  assertOk(await blind());
  assert.equal((await stage.status()).removals, undefined);
});
