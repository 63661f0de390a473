// Absence is no order: what the manifest does not name, and does not end, stays on disk, in HAProxy and in the report (field.md A1 to A4).
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateName } from '#contract/layout.ts';
import { readReceipt } from '#contract/receipt.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { entryFor, serialOf, signedRoot } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { startVisitor } from '../../../support/agent/visitor.ts';

const version = '3.2';
const names = Array.from({ length: 12 }, (_, index) => `c${String(index).padStart(2, '0')}`);
const hourMs = 3_600_000;

async function makeServed(t: TestContext, count = names.length) {
  const stage = await makeStage(t, { version });
  const pems = await stage.publishAll(names.slice(0, count));
  assertOk(await stage.pass());
  return { stage, pems };
}

async function assertServed(stage: Stage, pems: ReadonlyMap<string, string>) {
  for (const [name, pem] of pems) {
    assert.equal(stage.pem(name), pem);
    assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pem));
  }
}

/** The root that an issuer writes into a `published/` that is lost: with these names only. */
async function publishOnly(stage: Stage, kept: readonly string[]) {
  const latest = await stage.manifest();
  const certificates = Object.fromEntries(
    kept.map((name) => [name, latest.certificates[certificateName.parse(name)]]),
  );
  await stage.putRoot(signedRoot({ ...latest, certificates } as typeof latest));
}

const unlistedIn = async (stage: Stage) =>
  (await stage.status()).files.filter(({ isUnlisted }) => isUnlisted).map(({ certificate }) => certificate);

for (const [row, kept] of [
  ['A1: published/ is lost, and one of twelve is published again', ['c05']],
  ['A3: a manifest without certificates', []],
] as const) {
  test(`${row}: nobody notices, the host tells, and it goes on over a restart`, async (t) => {
    const { stage, pems } = await makeServed(t);
    const visitor = startVisitor(stage.haproxy.httpsPort);
    t.after(() => visitor.stop());
    for (const [name, pem] of pems) visitor.require(`${name}.test`, pem);
    await publishOnly(stage, kept);

    const pass = await stage.pass();

    assertOk(pass);
    const others = names.filter((name) => !(kept as readonly string[]).includes(name));
    assert.equal(pass.stderr.match(/event=certificate\.unlisted /g)?.length, others.length);
    const status = await stage.status();
    assert.deepEqual(await unlistedIn(stage), others);
    for (const { isUnlisted, state, notAfter, receipt, wanted } of status.files) {
      assert.equal(state, 'served');
      if (!isUnlisted) continue;
      const { claims } = readReceipt(receipt ?? '');
      assert.deepEqual([claims.sha256, claims.notAfter], [wanted.sha256, notAfter]);
    }
    const again = await stage.pass();
    assert.doesNotMatch(again.stderr, /certificate\.unlisted/, 'told once');
    assert.match(again.stderr, /changed=false/);
    const { wrong } = await visitor.stop();
    assert.deepEqual(wrong, []);
    await stage.haproxy.restart();
    assertOk(await stage.pass());
    await assertServed(stage, pems);
    await stage.publishAll(names.slice(0, 2));
    assertOk(await stage.pass());
    assert.deepEqual(
      await unlistedIn(stage),
      names.slice(2).filter((name) => !(kept as readonly string[]).includes(name)),
    );
  });
}

test('A2: the manifest of yesterday under a higher sequence: what came since stays, what was newer stays, what was withdrawn does not come back', async (t) => {
  const { stage } = await makeServed(t, 2);
  const revoked = await stage.publish('revoked', { names: ['revoked.test'] });
  assertOk(await stage.pass());
  const yesterday = await stage.manifest();
  const renewed = await stage.publish('c00', { names: ['c00.test'] });
  const added = await stage.publish('new', { names: ['new.test'] });
  await stage.withdraw('revoked', { reason: 'revoked' });
  assertOk(await stage.pass());
  assert.equal(existsSync(join(stage.haproxy.certsDir, 'revoked.pem')), false);

  await stage.putRoot(signedRoot(yesterday, { sequence: Date.now() + hourMs, tombstones: {} }));
  const pass = await stage.pass();

  assertOk(pass);
  await assertServed(
    stage,
    new Map([
      ['c00', renewed],
      ['new', added],
    ]),
  );
  assert.equal(existsSync(join(stage.haproxy.certsDir, 'revoked.pem')), false);
  await assert.rejects(stage.handshake('revoked.test'));
  assert.deepEqual(await unlistedIn(stage), ['c00', 'new']);
  const { conditions = [], endedEntries } = await stage.status();
  const sha256 = Object.entries(yesterday.certificates).find(([name]) => name === 'revoked')?.[1].pems[0]
    ?.sha256;
  assert.deepEqual(endedEntries, [{ certificate: 'revoked', sha256 }]);
  const older = conditions.find(({ condition }) => condition === 'older-entry');
  assert.match(older?.message ?? '', /older PEMs than this host has, of c00; /);
  assert.match(pass.stderr, /event=host\.condition condition=older-entry /);
  const ended = conditions.find(({ condition }) => condition === 'ended-entry');
  assert.match(ended?.message ?? '', /a tombstone has ended, of revoked; the host does not install them/);
  assert.match(pass.stderr, /event=host\.condition condition=ended-entry /);
  assert.doesNotMatch((await stage.pass()).stderr, /-entry/, 'told once');
  rmSync(stage.stateDir, { recursive: true });
  await stage.pass();
  await assertServed(
    stage,
    new Map([
      ['c00', renewed],
      ['new', added],
    ]),
  );
  assert.equal(
    existsSync(join(stage.haproxy.certsDir, 'revoked.pem')),
    false,
    'remembered beside the files, too',
  );
  const latest = await stage.manifest();
  await stage.putRoot(signedRoot({ ...latest, certificates: {} }, { sequence: (latest.sequence ?? 0) + 1 }));
  await stage.publishBytes('revoked', revoked, {
    ...yesterday.certificates[certificateName.parse('revoked')],
    sequence: undefined,
  });
  assertOk(await stage.pass());
  assert.equal(
    (await stage.handshake('revoked.test')).serial,
    serialOf(revoked),
    'an entry of a higher sequence is a new word',
  );
});

test('A4: a fleet is renamed, and its manifest lacks a name: the certificate stays, and is told', async (t) => {
  const { stage, pems } = await makeServed(t, 2);
  const latest = await stage.manifest();
  const [, c01] = Object.entries(latest.certificates);
  const root = signedRoot(
    { ...latest, certificates: Object.fromEntries([c01 ?? []]) },
    { fleet: 'web' as never },
  );
  await stage.bucket.put('published/web/root.json', root);
  const web = { ...latest.certificates }[certificateName.parse('c01')]?.pems[0]?.sha256;
  await stage.bucket.put(`published/web/pem/c01/${web}.pem`, stage.pem('c01'));

  const pass = await stage.pass(['--fleet', 'web', '--json']);

  assert.match(pass.stderr, /event=certificate\.unlisted certificate=c00 /);
  assert.match(pass.stderr, /failed=0/);
  await assertServed(stage, pems);
});

test('mode, handshake and order of an unlisted file are looked after; changed or deleted by another program, it is ours no more', async (t) => {
  const { stage, pems } = await makeServed(t, 3);
  await publishOnly(stage, []);
  assertOk(await stage.pass());
  const path = join(stage.haproxy.certsDir, 'c00.pem');
  chmodSync(path, 0o644);
  const foreign = await stage.pki.issue({ names: ['c01.test'] });
  writeFileSync(join(stage.haproxy.certsDir, 'c01.pem'), foreign.combined);
  await stage.haproxy.command(`del ssl crt-list ${stage.haproxy.certsDir} ${path}`);

  const pass = await stage.pass();

  assertOk(pass);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(pass.stderr, /event=certificate\.removed certificate=c01 .*changed by another program/);
  assert.equal(readFileSync(join(stage.haproxy.certsDir, 'c01.pem'), 'utf8'), foreign.combined);
  await assertServed(stage, new Map([...pems].filter(([name]) => name !== 'c01')));
  assert.deepEqual(await unlistedIn(stage), ['c00', 'c02']);
});

test('one of the records is lost, then the other: an unlisted file stays', async (t) => {
  const { stage, pems } = await makeServed(t, 2);
  await publishOnly(stage, []);
  rmSync(stage.stateDir, { recursive: true });

  assertOk(await stage.pass());
  assert.deepEqual(await unlistedIn(stage), ['c00', 'c01']);
  const [first] = (await stage.status()).files;
  assert.equal(readReceipt(first?.receipt ?? '').claims.name, 'c00', 'the receipt is kept beside the file');
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  assertOk(await stage.pass());
  assert.deepEqual(await unlistedIn(stage), ['c00', 'c01']);
  rmSync(stage.stateDir, { recursive: true });
  rmSync(join(stage.haproxy.certsDir, OWNERSHIP_FILE));
  assertOk(await stage.pass());
  await assertServed(stage, pems);
  await stage.withdraw('c00');
  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), ['c01.pem'], 'a tombstone proves whose the file is');
});

test('an unlisted file goes when it has expired by the signed time and by this clock, not before', async (t) => {
  const stage = await makeStage(t, { version });
  await stage.publish('short', { names: ['short.test'], notAfter: new Date(Date.now() + hourMs) });
  let offMs = 0;
  const now = () => new Date(Date.now() + offMs);
  const agent = await agentHere(stage.flags, () => undefined, { now });
  await sync(agent);
  await publishOnly(stage, []);
  const files = async (hostMs: number, issuerMs: number) => {
    offMs = hostMs;
    const signedAt = new Date(Date.now() + issuerMs).toISOString();
    await stage.putRoot(signedRoot(await stage.manifest(), { signedAt }));
    await sync(agent);
    return stage.files();
  };

  assert.deepEqual(await files(365 * 24 * hourMs, 0), ['short.pem'], 'a clock that is a year ahead');
  assert.deepEqual(await files(0, 2 * hourMs), ['short.pem'], "the issuer's clock is ahead");
  assert.deepEqual(await files(2 * hourMs, 2 * hourMs), []);
  assert.doesNotMatch(await stage.haproxy.command('show ssl cert'), /short/);
});

test('with a crt-list: the line of an unlisted file keeps its options, and comes back when it is lost', async (t) => {
  const { stage, list } = await makeListed(t, version, { at: 'list/crt-list.txt' });
  stage.flags.push('--crt-list-file', list);
  const { combined } = await stage.pki.issue({ names: ['shop.test', 'www.shop.test'] });
  const haproxy = { crtListOptions: ['alpn h2'], sniFilters: ['www.shop.test'] };
  await stage.publishBytes('shop', combined, {
    ...entryFor(combined, ['shop.test', 'www.shop.test']),
    haproxy,
  });
  assertOk(await stage.pass());
  const before = readFileSync(list, 'utf8');
  await stage.unpublish('shop');

  assertOk(await stage.pass());
  assert.equal(readFileSync(list, 'utf8'), before);
  writeFileSync(list, '');
  assertOk(await stage.pass());

  assert.equal(readFileSync(list, 'utf8'), before);
  assert.match(before, /\[alpn h2\] www\.shop\.test/);
  await stage.haproxy.restart();
  assertOk(await stage.pass());
  assert.equal((await stage.handshake('www.shop.test')).serial, serialOf(combined));
});
