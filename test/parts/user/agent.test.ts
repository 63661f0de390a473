// `pemfleet-agent`, typed as root or as somebody else, on a host whose agent has a user of its own.
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { withFileLock } from '#storage/file-lock.ts';
import { isStateName } from '../../../agent/state/names.ts';
import { assertOk } from '../../support/agent/assess.ts';
import { agentProgram } from '../../support/agent/program.ts';
import { makeStage } from '../../support/agent/stage.ts';
import { asRoot, NOBODY, ownersBelow, typeAs, typeAsRoot } from '../../support/as-root.ts';
import type { LeafOptions } from '../../support/parts/pki.ts';

/** A group that no user has: the unit alone gives it, as the one of HAProxy's socket. */
const SOCKET_GROUP = 54_321;

async function stageOfNobody(t: TestContext) {
  const stage = await makeStage(t, { version: '3.2' });
  const program = agentProgram();
  const { socket, certsDir } = stage.haproxy;
  const folders = [dirname(program), stage.dir, dirname(socket), dirname(certsDir)];
  for (const folder of folders) chmodSync(folder, 0o755);
  asRoot('mkdir', '-p', stage.stateDir);
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, stage.stateDir, certsDir);
  asRoot('chown', `0:${SOCKET_GROUP}`, socket);
  asRoot('chmod', '0660', socket);
  // The commands block this process: it has to let go of the bucket's lock before.
  const publish = async (name: string, leaf: LeafOptions) => {
    await stage.publish(name, leaf);
    await withFileLock(join(stage.bucketDir, '.lock'), 5_000, async () => undefined);
  };
  const words = (command: string, ...args: string[]) => [
    process.execPath,
    ...[program, command, ...stage.flags, ...args],
  ];
  await publish('shop', { names: ['shop.test'] });
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, stage.bucketDir);
  return { ...stage, publish, words };
}

test('sync once as root: the agent goes on as the owner of its state, with the group of the socket', async (t) => {
  const stage = await stageOfNobody(t);

  const typed = typeAsRoot(stage.words('sync'));

  assert.equal(typed.status, 0, typed.stderr);
  assert.match(typed.stderr, /^pemfleet-agent: started as root, goes on as \S+, the owner of \S+state\n/);
  for (const path of [stage.stateDir, stage.haproxy.certsDir, stage.bucketDir]) {
    const owners = [...ownersBelow(path)].filter(([, uid]) => uid !== NOBODY);
    assert.deepEqual(owners, [], path);
  }

  // The resident agent's user has all that it needs for the next certificate.
  await stage.publish('shop', { names: ['shop.test', 'www.shop.test'] });
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, stage.bucketDir);
  const service = typeAs(NOBODY, stage.words('sync', '--json'), [SOCKET_GROUP]);
  assert.equal(service.status, 0, service.stderr);
  assertOk({ code: 0, signal: null, stdout: service.stdout, stderr: service.stderr });
});

test("sync as root is refused where root's files are in the state directory", async (t) => {
  const stage = await stageOfNobody(t);
  asRoot('install', '-m', '0600', '/dev/null', join(stage.stateDir, 'state.json'));

  const { status, stderr } = typeAsRoot(stage.words('sync'));

  assert.equal(status, 77, stderr);
  assert.match(
    stderr,
    /ERR_USER: \S+state belongs to \S+, but \S+state\.json in it to root: pemfleet-agent doctor --fix/,
  );
});

test('another user is refused, and told what to type', async (t) => {
  const stage = await stageOfNobody(t);
  asRoot('chmod', '0700', stage.stateDir);
  // Where everybody may look, doctor has nothing to say to somebody who may do no more.
  asRoot('chmod', '0755', stage.haproxy.certsDir);

  for (const command of ['status', 'sync', 'doctor']) {
    const { status, stdout, stderr } = typeAs(4242, stage.words(command, '--json'));

    assert.equal(status, 77, stdout + stderr);
    assert.match(
      stdout,
      /^\{\s+"version": 1,\s+"error": \{\s+"code": "ERR_USER",\s+"message": "\S+state belongs to /,
    );
    assert.match(
      stderr,
      new RegExp(`belongs to \\S+, and this is uid 4242: sudo pemfleet-agent ${command} --bucket`),
    );
  }
});

test("doctor names root's files and open modes, --fix mends those, the agent installs again", async (t) => {
  const stage = await stageOfNobody(t);
  const { certsDir } = stage.haproxy;
  assert.equal(typeAsRoot(stage.words('sync')).status, 0);
  // As a sync of root's has left them, before the commands went on as the owner.
  const pem = join(certsDir, 'shop.pem');
  asRoot('chown', '0:0', pem, join(stage.stateDir, 'status.json'), join(certsDir, '.pemfleet-lock'));
  asRoot('chmod', '0666', join(certsDir, '.pemfleet-lock'));
  asRoot('chmod', '0755', stage.stateDir);
  // Not the agent's: it stays as it is.
  const stranger = join(certsDir, 'theirs.pem');
  asRoot('cp', pem, stranger);
  asRoot('chmod', '0644', stranger);
  const ids = (stdout: string) =>
    (JSON.parse(stdout) as { findings: { id: string }[] }).findings.map(({ id }) => id);

  const seen = typeAsRoot(stage.words('doctor', '--json'));
  const fixed = typeAsRoot(stage.words('doctor', '--fix', '--json'));

  for (const id of ['files-foreign', 'files-open', 'key-readable-by-all']) {
    assert.ok(ids(seen.stdout).includes(id), `${id}: ${seen.stdout}`);
  }
  assert.match(fixed.stderr, /^mended: \S+shop\.pem: owner /m);
  assert.match(fixed.stderr, /^mended: \S+\.pemfleet-lock: mode 0660$/m);
  assert.match(fixed.stderr, /^mended: \S+state: mode 0700$/m);
  assert.deepEqual(
    ids(fixed.stdout).filter((id) => id.startsWith('files-')),
    [],
  );
  assert.equal(asRoot('stat', '-c', '%u %a', stranger).trim(), '0 644');
  asRoot('rm', stranger);
  await stage.publish('shop', { names: ['shop.test', 'new.shop.test'] });
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, stage.bucketDir);
  const service = typeAs(NOBODY, stage.words('sync'), [SOCKET_GROUP]);
  assert.equal(service.status, 0, service.stderr);
});

test('doctor --fix leaves a state directory alone that is shared with other programs, and says why', async (t) => {
  const stage = await stageOfNobody(t);
  assert.equal(typeAsRoot(stage.words('sync')).status, 0);
  const own = [...ownersBelow(stage.stateDir).keys()].map((path) => path.slice(stage.stateDir.length + 1));
  assert.deepEqual(
    own.filter((path) => path !== '' && !isStateName([])(path.split('/')[0] ?? '')),
    [],
  );
  asRoot('install', '-d', '-m', '0755', join(stage.stateDir, 'postgresql'));
  asRoot('chown', '0:0', join(stage.stateDir, 'status.json'));
  const before = ownersBelow(stage.stateDir);

  const fixed = typeAsRoot(stage.words('doctor', '--fix'));

  assert.match(
    fixed.stdout,
    /files-foreign: .*status\.json \(root.*\n.*state holds postgresql.*give stateDir/,
  );
  assert.deepEqual(ownersBelow(stage.stateDir), before);
});

test('doctor: a directory of root is found by the rights of the agent, made its own by --fix; a missing one is made', async (t) => {
  const stage = await stageOfNobody(t);
  const { certsDir } = stage.haproxy;
  asRoot('chown', '0:0', certsDir);
  asRoot('chmod', '0755', certsDir);
  const ids = (stdout: string) =>
    (JSON.parse(stdout) as { findings: { id: string }[] }).findings.map(({ id }) => id);

  assert.ok(ids(typeAsRoot(stage.words('doctor', '--json')).stdout).includes('directory-denied'));
  assert.match(typeAsRoot(stage.words('doctor', '--fix')).stderr, /^mended: \S+: owner \S+, mode 0755$/m);
  assert.ok(!ids(typeAsRoot(stage.words('doctor', '--json')).stdout).includes('directory-denied'));

  asRoot('chmod', '0777', certsDir);
  assert.ok(ids(typeAsRoot(stage.words('doctor', '--json')).stdout).includes('directory-open'));
  assert.ok(!ids(typeAsRoot(stage.words('doctor', '--fix', '--json')).stdout).includes('directory-open'));

  const elsewhere = stage.words('doctor', '--json', '--certs-dir', join(stage.dir, 'missing'));
  assert.ok(ids(typeAsRoot(elsewhere).stdout).includes('directory-missing'));
  assert.ok(!ids(typeAsRoot([...elsewhere, '--fix']).stdout).includes('directory-missing'));
});

test('doctor names the records that are closed, and does not blame the bucket', async (t) => {
  const stage = await stageOfNobody(t);
  const { certsDir } = stage.haproxy;
  assert.equal(typeAsRoot(stage.words('sync')).status, 0);
  const key = stage.flags.indexOf('--trust-key');
  const words = stage
    .words('doctor', '--json')
    .filter((word) => ![stage.flags[key], stage.flags[key + 1]].includes(word));
  asRoot('sh', '-c', 'chown -R 0:0 "$0"/* "$1"/.pemfleet-files*', stage.stateDir, certsDir);

  const { stdout } = typeAs(NOBODY, words, [SOCKET_GROUP]);

  const { findings } = JSON.parse(stdout) as { findings: { id: string; seen: string }[] };
  const ids = findings.map(({ id }) => id);
  assert.ok(!ids.includes('manifest-unreadable'), stdout);
  assert.match(
    findings.flatMap(({ id, seen }) => (id === 'state-not-writable' ? seen : [])).join('\n'),
    /records of whom this host trusts/,
  );
});
