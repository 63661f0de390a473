// A host as it was before there were packages: programs from npm with a Node of its own, units copied to /etc/systemd/system, one user for
// all, as docs/standalone.md said then. Over it come today's packages. The tests are the chapters of one life, in order.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { RUNTIMES, unpackPinned } from '../../cdk/release/runtime.ts';
import { BEFORE_PACKAGES, hostFilesBeforePackages, releasedFile } from '../support/released/released.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { configureByHand } from './by-hand.ts';
import { copyPackages, DISTRIBUTIONS } from './story.ts';
import { startTree, type Tree } from './tree.ts';

const debian = DISTRIBUTIONS.debian12;
const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
let tree: Tree;
before(async () => {
  tree = await startTree(debian.program);
});
after(() => tree?.stop());

const serial = async () => (await tree.handshake('shop.test')).serial;
const property = async (unit: string, name: string) =>
  (await tree.shell(`systemctl show --value -p ${name} ${unit}`)).trim();
/** HAProxy's master and its worker: a reload makes another worker. */
const workers = () => tree.shell('pidof haproxy');
const programOf = async (unit: string) =>
  (await tree.shell(`readlink /proc/${await property(unit, 'MainPID')}/exe`)).trim();

/** As `npm install --global --prefix /usr` of that release leaves it, and a Node that the operator has brought. */
async function copyFormerRelease({ machine }: Tree): Promise<void> {
  const lib = 'usr/lib/node_modules/pemfleet';
  for (const [name, program] of [
    ['agent', 'pemfleet-agent'],
    ['cli', 'pemfleet'],
  ] as const) {
    const path = `${lib}/dist/${name}/index.mjs`;
    const module = brotliDecompressSync(readFileSync(releasedFile(name, BEFORE_PACKAGES)));
    machine.write(
      path,
      `#!/usr/bin/env node
${module}`,
    );
    chmodSync(machine.at(path), 0o755);
    symlinkSync(`../${path.slice(4)}`, machine.at(`usr/bin/${program}`));
  }
  execFileSync('tar', ['-xzf', hostFilesBeforePackages, '-C', machine.at(lib)]);
  const runtime = await unpackPinned(RUNTIMES[arch], '.parts/agent-runtime', makeTempDir().path);
  copyFileSync(join(runtime, 'bin/node'), machine.at('usr/local/bin/node'));
}

const FORMER_STEPS = `set -e
useradd --system --home-dir /var/lib/pemfleet --shell /usr/sbin/nologin pemfleet
install -d -o pemfleet -g pemfleet -m 0700 /etc/haproxy/certs
install -d /etc/pemfleet
install -d -o pemfleet -g pemfleet -m 0700 /var/lib/pemfleet /var/lib/pemfleet/bucket /var/lib/pemfleet/bucket/issuer`;

const FORMER_UNITS = `set -e
lib=/usr/lib/node_modules/pemfleet
install -m 0644 $lib/lambda/host/*.service $lib/lambda/host/*.timer $lib/agent/host/*.service /etc/systemd/system/
install -D -m 0755 $lib/agent/host/alarm.sh /usr/lib/pemfleet/alarm.sh
systemctl daemon-reload
systemctl enable --now pemfleet-responder pemfleet-agent pemfleet.timer pemfleet-status.timer
systemctl start pemfleet
systemctl reload pemfleet-agent`;

test('a host as it was before the packages serves', async () => {
  await copyFormerRelease(tree);
  await tree.shell(FORMER_STEPS);
  await configureByHand(tree, ['shop.test']);
  await tree.shell(FORMER_UNITS);

  await tree.served('shop.test');
  assert.equal(await programOf('pemfleet-agent'), '/usr/local/bin/node');
});

test('the packages come over it: their programs and units run, HAProxy notices nothing', async () => {
  copyPackages(tree, debian);
  const before = [await serial(), await workers()];
  const settings = await tree.shell('cat /etc/pemfleet/*.yaml');

  const output = await tree.shell(debian.install);

  assert.match(output, /moved \/etc\/systemd\/system\/pemfleet\.service to \S+\.replaced/);
  assert.match(output, /node_modules\/pemfleet, from npm, is no longer used/);

  assert.deepEqual([await serial(), await workers()], before);
  assert.equal(await tree.shell('cat /etc/pemfleet/*.yaml'), settings);
  for (const unit of ['pemfleet-agent', 'pemfleet-responder', 'pemfleet', 'pemfleet.timer']) {
    assert.match(await property(unit, 'FragmentPath'), /^\/(usr\/)?lib\/systemd\/system\//, unit);
  }
  assert.equal(await programOf('pemfleet-agent'), '/usr/bin/pemfleet-agent');
  assert.equal(await programOf('pemfleet-responder'), '/usr/bin/pemfleet');
  assert.equal(await property('pemfleet-responder', 'User'), 'pemfleet-responder');
  assert.equal(
    await tree.shell(
      'systemctl is-enabled pemfleet-agent pemfleet-responder pemfleet.timer pemfleet-status.timer',
    ),
    'enabled\n'.repeat(4),
  );
  assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
});

test("pemfleet.target and the former release's Node taken away: it renews, by the account that it had", async () => {
  const before = await serial();
  const accounts = await tree.shell('find /var/lib/pemfleet/bucket/issuer/account -type f | sort');
  await tree.shell(
    'rm -r /usr/local/bin/node /usr/lib/node_modules && systemctl enable --now pemfleet.target',
  );

  await tree.shell('pemfleet run --force-renewal && pemfleet-agent sync');

  await tree.served('shop.test');
  assert.notEqual(await serial(), before);
  assert.match(accounts, /\.json\n/);
  assert.equal(await tree.shell('find /var/lib/pemfleet/bucket/issuer/account -type f | sort'), accounts);
});

test('a directory that the operator has given to another user stays his, at each boot and after each installation', async () => {
  const folder = '/var/lib/pemfleet/bucket/challenge';
  const said = await tree.shell(`set -e
stat -c '%a %U' /var/lib/pemfleet /var/lib/pemfleet/bucket ${folder}
chown nobody ${folder} && chmod 0700 ${folder}
systemd-tmpfiles --create pemfleet.conf && sh /usr/lib/pemfleet/directories.sh
stat -c '%a %U' ${folder}
chown pemfleet ${folder} && sh /usr/lib/pemfleet/directories.sh
stat -c '%a %U' ${folder}`);

  assert.equal(said, `${'711 pemfleet\n'.repeat(3)}700 nobody\n711 pemfleet\n`);
});

test('after a reboot it is served, by the packages alone', async () => {
  const before = await serial();
  await tree.machine.shutDown();
  await tree.machine.boot();

  await tree.served('shop.test');
  assert.equal(await serial(), before);
  assert.equal(await programOf('pemfleet-agent'), '/usr/bin/pemfleet-agent');
  assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
});
