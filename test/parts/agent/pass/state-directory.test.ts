// The state directory is full, read-only, somebody else's, a file or lost: renewals go on, and the host says what to do.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeMountNamespace } from '../../../support/agent/mount-namespace.ts';
import { agentProgram } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

const nobody = 65_534;

interface Row {
  says: string;
  message: RegExp;
  /** @returns words before the agent, and how it is mended */
  spoil: (stage: Stage, t: TestContext) => Promise<{ through?: string[]; mend: () => void }>;
}

const rows: Row[] = [
  {
    says: 'full',
    message:
      /^the agent cannot save \S+ \(ENOSPC: \d+ of 65536 bytes are free .*\d+ bytes are needed: make room/,
    spoil: async ({ stateDir }, t) => {
      const { through, run } = await makeMountNamespace(t);
      run(`mount -t tmpfs -o size=64k tmpfs ${stateDir}; head -c 65536 /dev/zero >${stateDir}/other`);
      return { through, mend: () => run(`rm ${stateDir}/other`) };
    },
  },
  {
    says: 'read-only',
    message:
      /EROFS: \S+ is read-only: mount it read-write; under systemd, ReadWritePaths=\S+ makes it writable/,
    spoil: async ({ stateDir }, t) => {
      const { through, run } = await makeMountNamespace(t);
      run(`mount --bind ${stateDir} ${stateDir}; mount -o remount,bind,ro ${stateDir}`);
      return { through, mend: () => run(`mount -o remount,bind,rw ${stateDir}`) };
    },
  },
  {
    says: 'a file',
    message: /(ENOTDIR|EEXIST): \S+ is not a directory: move it away, then install -d -m 0700 -o \S+ \S+/,
    spoil: async ({ stateDir }) => {
      renameSync(stateDir, `${stateDir}.away`);
      writeFileSync(stateDir, '');
      const mend = () => {
        rmSync(stateDir);
        renameSync(`${stateDir}.away`, stateDir);
      };
      return { mend };
    },
  },
  {
    says: "another user's",
    message:
      /EACCES: \S+ (belongs to root \(mode 0700\), and the agent runs as nobody: chown -R nobody|has mode 0500)/,
    spoil: async (stage) => {
      if (process.getuid?.() !== 0) {
        chmodSync(stage.stateDir, 0o500);
        return { mend: () => chmodSync(stage.stateDir, 0o700) };
      }
      giveAway(stage);
      const through = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
      return { through, mend: () => giveTree(stage.stateDir) };
    },
  },
];

/** All but the state directory to another user. */
function giveAway({ dir, bucketDir, haproxy }: Stage): void {
  for (const path of [dir, dirname(haproxy.certsDir), dirname(agentProgram())]) chmodSync(path, 0o755);
  for (const tree of [bucketDir, haproxy.certsDir]) giveTree(tree);
  chownSync(haproxy.socket, nobody, nobody);
}

function giveTree(tree: string): void {
  chownSync(tree, nobody, nobody);
  for (const name of readdirSync(tree, { recursive: true, encoding: 'utf8' })) {
    chownSync(join(tree, name), nobody, nobody);
  }
}

test('the state directory cannot be used: renewals go on, log and status say why, exit status 3', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.agent('sync'));
  for (const { says, message, spoil } of rows) {
    const { through = [], mend } = await spoil(stage, t);
    const renewed = await stage.publish('shop', { names: ['shop.test'] });
    const fresh = await stage.publish('new', { names: ['new.test'] });
    if (through[0] === 'setpriv') giveTree(stage.bucketDir);

    const spoiled = await stage.agent('sync', { through });

    assert.equal(spoiled.code, 3, `${says}: ${spoiled.stderr}`);
    assert.match(spoiled.stderr, /event=state\.failed code=ERR_STATE_DIRECTORY/);
    const { error, files } = await stage.status();
    assert.equal(error?.code, 'ERR_STATE_DIRECTORY');
    assert.match(error?.message ?? '', message);
    assert.deepEqual(
      files.map(({ state }) => state),
      ['served', 'served'],
    );
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
    assert.equal((await stage.handshake('new.test')).serial, serialOf(fresh));

    mend();
    assertOk(await stage.agent('sync', { through }));
    assert.equal((await stage.status()).error, undefined);
  }
});

test('a process whose state directory takes nothing keeps its back-offs and its last report in memory', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  mkdirSync(dirname(stage.stateDir), { recursive: true });
  writeFileSync(stage.stateDir, 'a file');
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.publish('bad', { names: ['bad.test'], notAfter: new Date(Date.now() - 1000) });

  const first = await stage.pass(['--json']);
  const second = await stage.pass(['--json']);

  const actions = ({ stdout }: typeof first) =>
    (JSON.parse(stdout) as { files: { action: string }[] }).files.map(({ action }) => action);
  assert.deepEqual(actions(first), ['install', 'install']);
  assert.deepEqual(actions(second), ['backed-off', 'keep']);
  assert.match(first.stderr, /event=status\.reported/);
  assert.doesNotMatch(second.stderr, /event=status\.reported/);

  rmSync(stage.stateDir);
  const mended = await stage.pass(['--json']);
  assert.deepEqual(actions(mended), ['backed-off', 'keep']);
  const documents = ['manifest.json', 'proofs.json', 'state.json', 'status.json', 'trust.json'];
  assert.deepEqual(readdirSync(stage.stateDir).sort(), documents);
});

test("where neither the state directory nor the certificates' takes the records, no PEM is written: it would be nobody's", async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const { certsDir } = stage.haproxy;
  writeFileSync(stage.stateDir, 'a file');
  mkdirSync(join(certsDir, '.pemfleet-files.json', 'x'), { recursive: true });
  const pem = await stage.publish('shop', { names: ['shop.test'] });

  const refused = await stage.pass();

  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /event=certificate\.pending certificate=shop .*code=ERR_STATE_DIRECTORY/);
  assert.ok(!readdirSync(certsDir).includes('shop.pem'));

  rmSync(join(certsDir, '.pemfleet-files.json'), { recursive: true });
  assert.equal((await stage.pass()).code, 3);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
});
