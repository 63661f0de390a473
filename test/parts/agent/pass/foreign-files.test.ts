// Files of other programs in HAProxy's directory: never written, deleted or loaded, until the operator gives them to us.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { certificateName, fleetName } from '#contract/layout.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';
import { lineLog } from '../../../../agent/log.ts';
import { syncHost } from '../../../../agent/pass/instances.ts';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { entryFor, serialOf, signedRoot } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { certificatesOf } from '../../../support/manifest.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';

const pathOf = ({ haproxy }: Stage, name: string) => join(haproxy.certsDir, name);

async function errorOf(stage: Stage, file: string) {
  return (await stage.status()).files.find((one) => one.file === file)?.error;
}

for (const version of haproxyVersions) {
  test(`${version}: a hand-made file of a name of the manifest is "not ours": file and HAProxy stay as they are`, async (t) => {
    const stage = await makeStage(t, { version });
    const path = pathOf(stage, 'legacy.pem');
    const handmade = await stage.pki.issue({ names: ['legacy.test'] });
    writeFileSync(path, handmade.combined, { mode: 0o640 });
    await stage.haproxy.restart();
    const before = statSync(path);
    const other = await stage.publish('other', { names: ['other.test'] });
    const ours = await stage.publish('legacy', { names: ['legacy.test'] });

    const passes = [await stage.pass(['--json']), await stage.pass(['--json'])];

    for (const pass of passes) {
      assert.equal(pass.code, 3, pass.stderr);
      assert.match(pass.stderr, /event=certificate\.failed certificate=legacy .*code=ERR_INSTALL_NOT_OURS/);
      assert.match(pass.stdout, /"action":"not-ours"/);
    }
    assert.equal(readFileSync(path, 'utf8'), handmade.combined);
    assert.deepEqual([statSync(path).ino, statSync(path).mode], [before.ino, before.mode]);
    assert.equal((await stage.handshake('legacy.test')).serial, serialOf(handmade.combined));
    assert.equal((await stage.handshake('other.test')).serial, serialOf(other));
    assert.match(
      (await errorOf(stage, 'legacy.pem'))?.message ?? '',
      /^not ours: .*legacy\.pem belongs to root, changed 20.*, holds a certificate for legacy\.test until 20.*move it away, or give it to the agent: pemfleet-agent adopt \/\S*legacy\.pem$/,
    );

    await stage.withdraw('legacy');
    assertOk(await stage.pass());
    assert.equal(readFileSync(path, 'utf8'), handmade.combined, 'the name has left the manifest');
    await stage.publishBytes('legacy', ours, entryFor(ours, ['legacy.test']));

    renameSync(path, join(stage.dir, 'moved.pem'));
    assertOk(await stage.pass());
    assert.equal(stage.pem('legacy'), ours);
    assert.equal((await stage.handshake('legacy.test')).serial, serialOf(ours));
  });
}

test('a link, a directory, a pipe of that name: never followed, never waited for, never replaced', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const outside = join(stage.dir, 'outside.pem');
  writeFileSync(outside, 'of another program', { mode: 0o600 });
  symlinkSync(outside, pathOf(stage, 'link.pem'));
  mkdirSync(pathOf(stage, 'folder.pem'));
  spawnSync('mkfifo', [pathOf(stage, 'pipe.pem')]);
  const pem = await stage.publish('link', { names: ['link.test'] });
  await stage.publish('folder', { names: ['folder.test'] });
  await stage.publish('pipe', { names: ['pipe.test'] });

  const pass = await stage.pass(['--json']);

  assert.equal(pass.code, 1, pass.stderr);
  assert.deepEqual(
    actionsOf(pass).map(([, action]) => action),
    ['not-ours', 'not-ours', 'not-ours'],
  );
  assert.match((await errorOf(stage, 'link.pem'))?.message ?? '', /is a symbolic link/);
  assert.match((await errorOf(stage, 'folder.pem'))?.message ?? '', /is a directory/);
  assert.match((await errorOf(stage, 'pipe.pem'))?.message ?? '', /is no plain file/);
  assert.equal(readFileSync(outside, 'utf8'), 'of another program');
  assert.ok(lstatSync(pathOf(stage, 'link.pem')).isSymbolicLink());
  // The link's target is not compared, either.
  writeFileSync(outside, pem);
  assert.match((await stage.pass(['--json'])).stdout, /"link\.pem".*?"not-ours"/);
});

test('one lost or broken place of the records leaves our files ours, and is written again', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const besides = pathOf(stage, OWNERSHIP_FILE);
  const losses: [string, () => void][] = [
    ['the state directory', () => rmSync(stage.stateDir, { recursive: true })],
    ['the dot-file', () => rmSync(besides)],
    ['the dot-file is broken', () => writeFileSync(besides, '{"version":1,"files":{"shop.pem":7}}')],
    ['the dot-file is a pipe', () => spawnSync('sh', ['-c', 'rm "$0"; mkfifo "$0"', besides])],
    ['the state is broken', () => writeFileSync(join(stage.stateDir, 'state.json'), '{')],
  ];
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());

  for (const [what, lose] of losses) {
    const renewed = await stage.publish('shop', { names: ['shop.test'] });
    lose();

    assertOk(await stage.pass());

    assert.equal(stage.pem('shop'), renewed, what);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed), what);
    const { files } = JSON.parse(readFileSync(besides, 'utf8'));
    assert.deepEqual(Object.keys(files), ['shop.pem'], what);
    assert.equal(statSync(besides).mode & 0o777, 0o600);
  }
  const { mtimeMs, ino } = statSync(besides);
  assertOk(await stage.pass());
  assert.deepEqual(
    [statSync(besides).mtimeMs, statSync(besides).ino],
    [mtimeMs, ino],
    'equal is not written',
  );
  assert.deepEqual(stage.files(), ['shop.pem'], 'nothing of ours was taken for foreign');
  await stage.withdraw('shop');
  rmSync(stage.stateDir, { recursive: true });
  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), []);
});

test('a file of ours that was edited is repaired; a private key that only it holds is kept beside it', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const edited = (await stage.pki.issue({ names: ['shop.test'] })).combined;
  writeFileSync(pathOf(stage, 'shop.pem'), edited);
  chmodSync(pathOf(stage, 'shop.pem'), 0o644);

  const repaired = await stage.pass();
  assertOk(await stage.pass());

  assertOk(repaired);
  assert.equal(stage.pem('shop'), pem);
  const [kept = '', ...others] = stage.files().filter((name) => name.startsWith('.'));
  assert.deepEqual(others, []);
  assert.match(kept, /^\.shop\.pem\.pemfleet-replaced-[0-9a-f]{12}$/);
  assert.equal(readFileSync(pathOf(stage, kept), 'utf8'), edited);
  assert.equal(statSync(pathOf(stage, kept)).mode & 0o777, 0o600);
  assert.match(repaired.stderr, new RegExp(`event=certificate.replaced certificate=shop .*kept=${kept}`));
  // What holds no key needs no copy.
  writeFileSync(pathOf(stage, 'shop.pem'), 'edited');
  assertOk(await stage.pass());
  assert.deepEqual(stage.files(), [kept, 'shop.pem']);
});

test('the key that was replaced goes from the host when the issuer has kept such keys for long enough, or says that it is stolen', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const edit = async () => {
    writeFileSync(pathOf(stage, 'shop.pem'), (await stage.pki.issue({ names: ['shop.test'] })).combined);
  };
  const copies = () => stage.files().filter((name) => name.startsWith('.'));
  const passIn = async (days: number, changes: Partial<SignedManifest>) => {
    const now = () => new Date(Date.now() + days * DAY_MS);
    const lines: string[] = [];
    const agent = await agentHere(
      stage.flags,
      lineLog((line) => lines.push(line), false),
      { now },
    );
    await stage.putRoot(signedRoot(await stage.manifest(), { signedAt: now().toISOString(), ...changes }));
    await syncHost(agent);
    return lines.join('');
  };
  await edit();
  assertOk(await stage.pass());
  const [kept = ''] = copies();

  await passIn(6, { keyRetentionDays: 7 });
  assert.deepEqual(copies(), [kept]);
  const said = await passIn(7.1, { keyRetentionDays: 7 });

  assert.match(said, new RegExp(`event=copy.deleted file=shop.pem kept=${kept} reason="kept for 7 days"`));
  assert.deepEqual(stage.files(), ['shop.pem']);

  await edit();
  await passIn(0, { keyRetentionDays: 7 });
  assert.equal(copies().length, 1);
  const at = new Date(Date.now() + 1).toISOString();
  const pems = [{ sha256: 'ab'.repeat(32), notAfter: new Date(Date.now() + 60 * DAY_MS).toISOString() }];
  const tombstones = { [certificateName.parse('shop')]: { reason: 'revoked', at, stolenAt: at, pems } };
  assert.match(await passIn(0.1, { tombstones }), /event=copy.deleted .* reason="its key is stolen"/);

  assert.deepEqual(stage.files(), ['shop.pem']);
  assert.equal(stage.pem('shop'), pem);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
});

test('two fleets in one directory: neither takes the file of the other; a host that changes its fleet keeps its own', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const web = ['--fleet', 'web', '--state-dir', join(stage.dir, 'state-web')];
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.pass());
  const theirs = (await stage.pki.issue({ names: ['shop.test'] })).combined;
  await copyFleet(stage, theirs);

  const foreign = await stage.pass([...web, '--json']);

  assert.match(foreign.stdout, /"action":"not-ours"/);
  assert.match(foreign.stderr, /the agent of fleet edge has written it/);
  assert.equal(stage.pem('shop'), pem);
  assert.match(readFileSync(pathOf(stage, OWNERSHIP_FILE), 'utf8'), /"fleet": "edge"/);

  // The host moves to the other fleet, with its state directory.
  assertOk(await stage.pass(['--fleet', 'web']));
  assert.equal(stage.pem('shop'), theirs);
  assert.match(readFileSync(pathOf(stage, OWNERSHIP_FILE), 'utf8'), /"fleet": "web"/);
});

/** Publishes the other content under the same name in the fleet `web`. */
async function copyFleet(stage: Stage, pem: string): Promise<void> {
  const entry = entryFor(pem, ['shop.test']);
  const [{ sha256 } = { sha256: '' }] = entry.pems;
  const certificates = certificatesOf({ shop: entry });
  await stage.bucket.put(`published/web/pem/shop/${sha256}.pem`, pem);
  const root = signedRoot({ ...(await stage.manifest()), certificates }, { fleet: fleetName.parse('web') });
  await stage.bucket.put('published/web/root.json', root);
}

test("another program's PLACEHOLDER.pem is not taken for ours", async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const theirs = (await stage.pki.issue({ names: ['theirs.test'] })).combined;
  writeFileSync(pathOf(stage, 'PLACEHOLDER.pem'), theirs);
  await stage.publish('shop', { names: ['shop.test'] });

  assertOk(await stage.pass());

  assert.equal(readFileSync(pathOf(stage, 'PLACEHOLDER.pem'), 'utf8'), theirs);
});

test('a file that another program writes during the pass is not overwritten in it', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const path = pathOf(stage, 'shop.pem');
  const handmade = (await stage.pki.issue({ names: ['shop.test'] })).combined;
  await stage.publish('shop', { names: ['shop.test'] });
  const bucket = {
    url: stage.bucket.url,
    put: stage.bucket.put.bind(stage.bucket),
    get: async (...[key, options]: Parameters<Bucket['get']>) => {
      if (key.endsWith('.pem')) writeFileSync(path, handmade);
      return stage.bucket.get(key, options);
    },
  };
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line), false);
  const agent = await agentHere(stage.flags, log, { openBucket: async () => bucket as unknown as Bucket });

  await syncHost(agent);

  assert.match(
    lines.join(''),
    /event=certificate\.pending .*code=ERR_INSTALL .*changed by another program during/,
  );
  assert.equal(readFileSync(path, 'utf8'), handmade);
});
