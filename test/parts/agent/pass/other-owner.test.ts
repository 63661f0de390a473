// Root once ran a pass: a PEM belongs to root, in a directory of the agent's user, who may rename but not link it.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateName, fleetName } from '#contract/layout.ts';
import {
  dropPrevious,
  install,
  restoreMoved,
  restorePreviousFile,
} from '../../../../agent/deploy/install.ts';
import { writeDocument } from '../../../../agent/state/documents.ts';
import { OWNERSHIP_FILE, readOwnership } from '../../../../agent/state/ownership.ts';
import { ShardedMap } from '../../../../agent/state/sharded-map.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const NOBODY = 65_534;
const pem = { mode: 0o600, uid: undefined, gid: undefined };

/** A directory of nobody with a file of root, and this process as nobody until the test ends. */
function makeRootsFile(t: TestContext, mode: number): string {
  const place = makeTempDir();
  const certs = join(place.path, 'certs');
  mkdirSync(certs);
  const path = join(certs, 'shop.pem');
  writeFileSync(path, 'PRIVATE KEY-----: of root', { mode });
  chmodSync(place.path, 0o755);
  chownSync(certs, NOBODY, NOBODY);
  t.after(() => {
    process.seteuid?.(0);
    place.remove();
  });
  process.seteuid?.(NOBODY);
  return path;
}

const namesIn = (path: string) => readdirSync(join(path, '..')).sort();

test('the kernel protects links here, as on every Debian: without it, this file tests nothing', () => {
  assert.equal(readFileSync('/proc/sys/fs/protected_hardlinks', 'utf8').trim(), '1');
});

test("root's file that the agent can read: replaced, and restored where HAProxy refuses the new one", async (t) => {
  const path = makeRootsFile(t, 0o644);

  await install(path, Buffer.from('new'), pem);

  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.equal(statSync(path).uid, NOBODY);
  assert.deepEqual(namesIn(path), ['.shop.pem.pemfleet-previous', 'shop.pem']);
  assert.equal(statSync(join(path, '../.shop.pem.pemfleet-previous')).mode & 0o777, 0o600);
  await restorePreviousFile(path, true);
  assert.equal(readFileSync(path, 'utf8'), 'PRIVATE KEY-----: of root');
  await install(path, Buffer.from('new'), pem);
  await dropPrevious(path);
  assert.deepEqual(namesIn(path), ['shop.pem']);
});

test("root's file that the agent cannot read: replaced; nobody can say what it held, so it is kept", async (t) => {
  const path = makeRootsFile(t, 0o600);

  await install(path, Buffer.from('new'), pem);

  assert.equal(readFileSync(path, 'utf8'), 'new');
  await restorePreviousFile(path, true);
  assert.equal(statSync(path).uid, 0);
  await install(path, Buffer.from('new'), pem);
  await dropPrevious(path);
  const [kept = '', ...others] = namesIn(path);
  assert.deepEqual(others, ['shop.pem']);
  assert.match(kept, /^\.shop\.pem\.pemfleet-replaced-unread-\d+$/);
  assert.equal(statSync(join(path, '..', kept)).uid, 0);
});

test('killed after it had moved a file aside: the next pass moves it back before anything else', async (t) => {
  const path = makeRootsFile(t, 0o600);
  renameSync(path, join(path, '../.shop.pem.pemfleet-previous'));

  await restoreMoved(join(path, '..'), new Map([['shop.pem', 'ours']]));

  assert.deepEqual(namesIn(path), ['shop.pem']);
});

test('a directory of root: the message names the owners, and what to type', async (t) => {
  const path = makeRootsFile(t, 0o600);
  process.seteuid?.(0);
  chownSync(join(path, '..'), 0, 0);
  process.seteuid?.(NOBODY);

  await assert.rejects(install(path, Buffer.from('new'), pem), {
    code: 'ERR_INSTALL',
    message: /EACCES\): the file belongs to root, its directory to root; chown both to the user of the agent/,
  });
});

test("root's own pass leaves records that the agent's user can read", async (t) => {
  const path = makeRootsFile(t, 0o600);
  process.seteuid?.(0);
  const certs = join(path, '..');
  const record = { certificate: certificateName.parse('shop'), written: [] };
  const ownership = await readOwnership(
    { certsDir: certs, stateDir: certs, fleet: fleetName.parse('edge') },
    () => undefined,
  );

  await writeDocument(join(certs, 'state.json'), { version: 1 });
  await ownership.save({ files: ShardedMap.of({ 'shop.pem': record }) });

  for (const name of ['state.json', OWNERSHIP_FILE]) {
    assert.equal(statSync(join(certs, name)).uid, NOBODY, name);
    assert.equal(statSync(join(certs, name)).mode & 0o777, 0o600);
  }
});
