import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { programPath } from '../../setup.mjs';
import { findDebianMirror, openSuite, versionsOf } from '../../support/debian/debian.mjs';
import { setEnv } from '../../support/env.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { tempDir } from '../../support/temp-dir.ts';

const setUpFile = new URL('../../setup.mjs', import.meta.url).pathname;

function makeDir(...segments: string[]): string {
  const dir = join(...segments);
  mkdirSync(dir, { recursive: true });
  return dir;
}

test('a set-up with nothing to do says nothing', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [setUpFile], { encoding: 'utf8' });

  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

test('without apt-get, the error names the wanted programs and how to point to them', (t) => {
  const dir = tempDir(t);
  copyFileSync(setUpFile, join(makeDir(dir, 'test'), 'setup.mjs'));
  const debian = 'support/debian';
  cpSync(join(dirname(setUpFile), debian), join(dir, 'test', debian), { recursive: true });

  const args = [join(dir, 'test/setup.mjs'), '--only', 'pebble,haproxy-3.0'];
  const env = { PATH: '/nowhere', PEMFLEET_CHALLTESTSRV: '/bin/true' };
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });

  assert.equal(status, 1);
  assert.match(
    stderr,
    /pebble: no suite of Debian has a version .*: sid cannot be read, forky cannot be read/,
  );
  assert.match(stderr, /export PEMFLEET_PEBBLE=/);
  assert.match(stderr, /export PEMFLEET_HAPROXY_30=/);
  assert.doesNotMatch(stderr, /PEMFLEET_HAPROXY_32/);
});

test('an unknown part is an error', () => {
  const { status, stderr } = spawnSync(process.execPath, [setUpFile, '--only', 'nginx'], {
    encoding: 'utf8',
  });

  assert.equal(status, 1);
  assert.match(stderr, /unknown: nginx; known: npm, haproxy-2\.6/);
});

test('a program given by the environment is taken, and must be there', (t) => {
  t.after(setEnv({ PEMFLEET_PEBBLE: '/nowhere/pebble' }));

  assert.throws(
    () => programPath('pebble'),
    /pebble is not at \/nowhere\/pebble: run "node test\/setup.mjs"/,
  );
});

test('every program runs from its own folder', () => {
  for (const version of haproxyVersions) {
    const said = execFileSync(programPath(`haproxy-${version}`), ['-v'], { encoding: 'utf8' });
    assert.match(said, new RegExp(`^HAProxy version ${version}\\.`));
  }
});

const [keyring, mirror] = ['/usr/share/keyrings/k.gpg', 'http://mirror.test/debian'];
const security = 'http://mirror.test/debian-security';
const sources = [
  {
    name: 'deb822',
    file: 'sources.list.d/debian.sources',
    text: `# a\nTypes: deb\nURIs: ${security}\nSuites: s\n\n# b\nTypes: deb deb-src\nURIs: ${mirror}\nSuites: bookworm\nSigned-By: ${keyring}\n`,
    found: { uri: mirror, signedBy: keyring },
  },
  {
    name: 'deb822 of the cloud images, with the key in it',
    file: 'sources.list.d/debian.sources',
    text: 'Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSigned-By:\n -----BEGIN\n .\n abc\n',
    found: { uri: 'mirror+file:/etc/apt/mirrors/debian.list', signedBy: '-----BEGIN\n .\n abc' },
  },
  {
    name: 'one-line',
    file: 'sources.list',
    text: `deb-src ${mirror} s main\ndeb ${security} s main\ndeb [arch=amd64 signed-by=${keyring}] ${mirror}/ s main\n`,
    found: { uri: `${mirror}/`, signedBy: keyring },
  },
  {
    name: 'one-line without a keyring',
    file: 'sources.list.d/more.list',
    text: `deb ${mirror} bookworm main`,
    found: { uri: mirror, signedBy: undefined },
  },
];
for (const { name, file, text, found } of sources) {
  test(`the mirror is read from apt's sources: ${name}`, (t) => {
    const dir = tempDir(t);
    mkdirSync(join(dir, 'sources.list.d'));
    writeFileSync(join(dir, file), text);

    assert.deepEqual(findDebianMirror(dir), found);
  });
}

/** A mirror of one suite, as apt reads it. */
function makeMirror(dir: string, suite: string, versions: Record<string, readonly string[]>) {
  const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
  const packages = Object.entries(versions).flatMap(([name, all]) =>
    all.map(
      (version) =>
        `Package: ${name}\nVersion: ${version}\nArchitecture: ${architecture}\nFilename: ${name}.deb\nSize: 1\n\n`,
    ),
  );
  const list = packages.join('');
  const folder = makeDir(dir, `dists/${suite}/main/binary-${architecture}`);
  writeFileSync(join(folder, 'Packages'), list);
  const digest = createHash('sha256').update(list).digest('hex');
  writeFileSync(
    join(dir, `dists/${suite}/Release`),
    `Codename: ${suite}\nComponents: main\nArchitectures: ${architecture}\nSHA256:\n ${digest} ${list.length} main/binary-${architecture}/Packages\n`,
  );
  return { uri: `file:${dir}`, isTrusted: true };
}

test('apt-get reads what a suite offers; a suite that the mirror lacks is an error of its own', async (t) => {
  const dir = tempDir(t);
  const mirror = makeMirror(dir, 'sid', { haproxy: ['3.2.9-1', '3.2.26-1'], 'haproxy-doc': ['9'] });

  const sid = await openSuite('sid', join(dir, 'sid'), mirror);

  assert.deepEqual(await versionsOf(sid, 'haproxy'), ['3.2.26-1', '3.2.9-1']);
  assert.deepEqual(await versionsOf(sid, 'pebble'), []);
  await assert.rejects(
    openSuite('duke', join(dir, 'duke'), mirror),
    /apt-get -q update failed:\n[\s\S]*duke/,
  );
});
