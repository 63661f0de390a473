// The agent as a host gets it: tarball, checksum, installer, one executable. Built by `npm run release`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { serialOf } from '../support/agent/publish.ts';
import { makeStage, type Stage } from '../support/agent/stage.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { withRelease } from './docs/signed-release.ts';
import { measureResident, startIdleHost } from './idle.ts';

const run = promisify(execFile);
const release = resolve('dist/release');
const nameFor = (arch: string) => `pemfleet-agent-${packageJson.version}-linux-${arch}`;
/** Neither Node nor npm: what a bare host has. */
const env = { PATH: '/usr/bin:/bin' };

const place = makeTempDir();
after(() => place.remove());
for (const arch of ['x64', 'arm64']) {
  await run('tar', ['-xzf', join(release, `${nameFor(arch)}.tar.gz`), '-C', place.path]);
}
// Pages of the executable that are not yet on disk would count as dirty pages of the process.
await run('sync');
const folderOf = (arch: string) => join(place.path, nameFor(arch));
const own = folderOf(process.arch);

test('SHA256SUMS has every file of the release', async () => {
  const { stdout } = await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: release });
  const files = readdirSync(release).filter((file) => !file.startsWith('SHA256SUMS'));

  assert.deepEqual(stdout.trim().split('\n').sort(), files.map((file) => `${file}: OK`).sort());
  const { version } = packageJson;
  for (const name of ['pemfleet', 'pemfleet-agent']) {
    for (const [arch, deb, rpm] of [
      ['x64', 'amd64', 'x86_64'],
      ['arm64', 'arm64', 'aarch64'],
    ]) {
      const wanted = [
        `${name}-${version}-linux-${arch}.tar.gz`,
        `${name}_${version}_${deb}.deb`,
        `${name}-${version}-1.${rpm}.rpm`,
      ];
      assert.deepEqual(
        wanted.filter((file) => !files.includes(file)),
        [],
      );
    }
  }
});

test('each executable is of its architecture and holds the program', () => {
  // e_machine of the ELF header (elf(5))
  for (const [arch, machine] of [
    ['x64', 62],
    ['arm64', 183],
  ] as const) {
    const program = join(folderOf(arch), 'pemfleet-agent');
    const header = Buffer.alloc(20);
    readSync(openSync(program, 'r'), header, 0, 20, 0);
    const body = readFileSync(program);

    assert.equal(header.subarray(0, 5).toString('latin1'), '\x7fELF\x02');
    assert.equal(header.readUInt16LE(18), machine);
    assert.ok(body.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1'), 'the fuse');
    assert.ok(body.includes('show ssl crt-list'), 'the program');
  }
});

const flagsOf = (stage: Stage) => [...stage.flags];

test('the executable alone: a pass on a real HAProxy, and doctor', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const program = join(own, 'pemfleet-agent');

  const { stdout } = await run(program, ['version'], { env });
  const pass = await run(program, ['sync', ...flagsOf(stage)], { env });
  const doctor = await run(program, ['doctor', ...flagsOf(stage)], { env });

  assert.equal(stdout, `pemfleet-agent ${packageJson.version}\n`);
  assert.match(pass.stderr, /event=certificate\.proven/);
  assert.doesNotMatch(pass.stderr, /warning/i);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  assert.equal(doctor.stdout, 'no problems found\n');
});

/** An idle agent looks at disk and HAProxy and makes handshakes: TLS takes some 3 MB. */
const MAX_PRIVATE_DIRTY_KB = 34_000;

test('the resident executable on S3, idle: one request a poll, at most 34 MB of its own', async (t) => {
  const host = await startIdleHost();
  t.after(host.stop);

  const idle = await measureResident(host, join(own, 'pemfleet-agent'), 5);

  t.diagnostic(`private dirty ${idle.privateDirtyKb} kB, resident ${idle.residentKb} kB`);
  assert.equal(idle.requests, idle.polls);
  assert.ok(
    idle.privateDirtyKb > 0 && idle.privateDirtyKb <= MAX_PRIVATE_DIRTY_KB,
    `${idle.privateDirtyKb} kB`,
  );
});

test('install, upgrade, uninstall, purge', async (t) => {
  const tree = makeTempDir();
  t.after(() => tree.remove());
  const script = (name: string, ...args: string[]) =>
    run(join(own, name), args, { env: { ...env, DESTDIR: tree.path } });
  const at = (path: string) => join(tree.path, path);
  const settings = at('etc/pemfleet/agent.yaml');

  await script('install.sh');
  const { stdout } = await run(at('usr/bin/pemfleet-agent'), ['version'], { env });
  assert.equal(stdout, `pemfleet-agent ${packageJson.version}\n`);
  assert.deepEqual(readdirSync(at('usr/bin')), ['pemfleet-agent']);
  assert.deepEqual(readdirSync(at('usr/lib/systemd/system')), [
    'pemfleet-agent-first.service',
    'pemfleet-agent.service',
    'pemfleet-alarm@.service',
  ]);
  assert.deepEqual(
    ['sysusers.d', 'tmpfiles.d'].map((folder) => readdirSync(at(`usr/lib/${folder}`))),
    [['pemfleet-agent.conf'], ['pemfleet-agent.conf']],
  );

  appendFileSync(settings, 'pollInterval: 30\n');
  await script('install.sh');
  assert.match(readFileSync(settings, 'utf8'), /pollInterval: 30\n$/, 'an upgrade keeps the settings');

  await script('uninstall.sh');
  assert.deepEqual([existsSync(at('usr/bin/pemfleet-agent')), existsSync(settings)], [false, true]);
  assert.deepEqual(readdirSync(at('usr/lib/systemd/system')), []);

  await script('uninstall.sh', '--purge');
  assert.equal(existsSync(settings), false);
});

test('beside an issuer, uninstall --purge leaves what both have: the script and the unit of alarms, and their settings', async (t) => {
  const tree = makeTempDir();
  t.after(() => tree.remove());
  const script = (name: string, ...args: string[]) =>
    run(join(own, name), args, { env: { ...env, DESTDIR: tree.path } });
  await script('install.sh');
  for (const file of ['usr/bin/pemfleet', 'etc/pemfleet/alarm.conf']) {
    writeFileSync(join(tree.path, file), '');
  }

  await script('uninstall.sh', '--purge');

  const left = ['etc/pemfleet', 'usr/bin', 'usr/lib/pemfleet', 'usr/lib/systemd/system'].map((folder) =>
    readdirSync(join(tree.path, folder)),
  );
  assert.deepEqual(left, [['alarm.conf'], ['pemfleet'], ['alarm.sh'], ['pemfleet-alarm@.service']]);
});

test('install-release.sh installs what a known key has signed, or what has a pinned digest, and nothing else', async (t) => {
  const tree = makeTempDir();
  t.after(() => tree.remove());
  // Without ssh-keygen, as on a minimal Debian.
  const bare = join(tree.path, 'bare');
  mkdirSync(bare);
  for (const folder of ['/usr/bin', '/bin']) {
    for (const tool of readdirSync(folder).filter((name) => name !== 'ssh-keygen')) {
      if (!existsSync(join(bare, tool))) symlinkSync(join(folder, tool), join(bare, tool));
    }
  }
  const installed = join(tree.path, 'usr/bin/pemfleet-agent');
  const script = join(own, 'install-release.sh');
  const install = (args: readonly string[], PATH = env.PATH) =>
    run(script, args, { env: { PATH, DESTDIR: tree.path } });
  const refused = async (args: readonly string[], says: RegExp, PATH?: string) => {
    await assert.rejects(install(args, PATH), ({ stderr }: { stderr: string }) => {
      assert.match(stderr, says);
      return true;
    });
    assert.equal(existsSync(installed), false);
  };
  await withRelease(async (folder) => {
    const name = `${nameFor(process.arch)}.tar.gz`;
    const [tarball, signers] = [join(folder, name), join(folder, 'allowed_signers')];
    const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8');
    const sha256 =
      sums
        .split('\n')
        .find((line) => line.endsWith(name))
        ?.slice(0, 64) ?? '';
    const other = join(folder, 'other_signers');
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    writeFileSync(other, `release@pemfleet namespaces="pemfleet-release" ${key}\n`);

    await refused([tarball], /there is no .*allowed_signers: name the key by --signers FILE, or the digest/);
    await refused(['--signers', other, tarball], /SHA256SUMS is not signed by a key of/);
    await refused(['--signers', signers, tarball], /ssh-keygen is missing.*--sha256 HEX/, bare);
    await refused(['--sha256', sha256.replace(/^./, 'x'), tarball], /has the SHA-256 [0-9a-f]{64}, wanted x/);
    await refused([], /wanted \[--signers FILE \| --sha256 HEX\] TARBALL, saw nothing/);
    writeFileSync(join(folder, 'SHA256SUMS'), sums.replace(sha256, '0'.repeat(64)));
    await refused(['--signers', signers, tarball], /SHA256SUMS is not signed/);
    writeFileSync(join(folder, 'SHA256SUMS'), sums);
    rmSync(tarball);
    writeFileSync(tarball, 'another');
    await refused(['--signers', signers, tarball], /has the SHA-256 [0-9a-f]{64}, wanted [0-9a-f]{64}/);
    rmSync(tarball);
    symlinkSync(join(release, name), tarball);

    await install(['--signers', signers, tarball]);
    assert.ok(existsSync(installed));
    rmSync(installed);
    await install(['--sha256', sha256, tarball], bare);
    assert.ok(existsSync(installed));
    const left = readdirSync(join(tree.path, 'usr/lib/pemfleet'));
    assert.deepEqual(left, ['alarm.sh', 'back.sh', 'install-release.sh', 'uninstall.sh']);
  });
});

test('the settings that are shipped are valid', async () => {
  const program = join(own, 'pemfleet-agent');

  const status = run(
    program,
    ['status', '--config', join(own, 'agent.yaml'), '--state-dir', '/nonexistent'],
    { env },
  );

  await assert.rejects(status, /holds no status/);
});
