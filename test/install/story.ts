// The first hour on a bare host, as README.md says: the packages, `pemfleet init`, one systemctl; then what happens to every host sooner
// or later. The tests are the chapters of one life, in order.

import assert from 'node:assert/strict';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MachineOptions } from '../support/parts/machine.ts';
import { until } from '../support/process.ts';
import { startTree, type Tree } from './tree.ts';

export interface Distribution {
  name: string;
  program: NonNullable<MachineOptions['program']>;
  /** Of the packages that it installs. */
  ending: RegExp;
  install: string;
  remove: string;
}

const isArm = process.arch === 'arm64';

export const DISTRIBUTIONS = {
  debian12: {
    name: 'Debian 12',
    program: 'nspawn',
    ending: isArm ? /_arm64\.deb$/ : /_amd64\.deb$/,
    install: 'apt-get install --yes /root/packages/*.deb',
    remove: 'apt-get remove --yes pemfleet pemfleet-agent',
  },
  debian13: {
    name: 'Debian 13',
    program: 'nspawn-13',
    ending: isArm ? /_arm64\.deb$/ : /_amd64\.deb$/,
    install: 'apt-get install --yes /root/packages/*.deb',
    remove: 'apt-get remove --yes pemfleet pemfleet-agent',
  },
  rpm: {
    name: 'a tree with rpm',
    program: 'nspawn-rpm',
    ending: isArm ? /\.aarch64\.rpm$/ : /\.x86_64\.rpm$/,
    install: "dnf --assumeyes --disablerepo='*' install /root/packages/*.rpm",
    remove: 'rpm --erase pemfleet pemfleet-agent',
  },
} as const satisfies Record<string, Distribution>;

/** The release's packages for this distribution, in /root/packages. */
export function copyPackages({ machine }: Tree, { ending }: Distribution): void {
  const files = readdirSync('dist/release').filter((name) => ending.test(name));
  assert.equal(files.length, 2, `npm run release leaves two packages: ${files}`);
  for (const file of files) {
    machine.write(`root/packages/${file}`, '');
    copyFileSync(join('dist/release', file), machine.at(`root/packages/${file}`));
  }
}

const initOf = ({ pebble, caFile }: Tree, name = 'shop.test') =>
  `pemfleet init --email ops@example.com --name ${name} --ca ${pebble.directoryUrl} --ca-file ${caFile} --apply --yes`;

export function defineStory(distribution: Distribution): void {
  const { name, program, install, remove } = distribution;
  let tree: Tree;
  before(async () => {
    tree = await startTree(program);
    copyPackages(tree, distribution);
  });
  after(() => tree?.stop());
  const serial = async () => (await tree.handshake('shop.test')).serial;
  const reloads = () =>
    tree.shell('journalctl -b -o cat --no-pager -u haproxy | grep -c "^Reloaded" || true');

  test(`${name}: three commands, and the certificate is served within a minute`, async (t) => {
    const seconds: string[] = [];
    let begin = performance.now();
    const lap = (what: string) => {
      seconds.push(`${what} ${((performance.now() - begin) / 1000).toFixed(1)} s`);
      begin = performance.now();
    };
    const start = performance.now();

    await tree.shell(install);
    lap('install');
    await tree.shell(initOf(tree));
    lap('init');
    await tree.shell('systemctl enable --now pemfleet.target');
    lap('enable');
    await tree.served('shop.test');
    lap('served');

    t.diagnostic(seconds.join(', '));
    assert.ok(performance.now() - start <= 60_000, seconds.join(', '));
    if (program === 'nspawn') assert.equal(await tree.shell('command -v node || true'), '');
    assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
    const alarms = "journalctl -b -o cat --no-pager -t pemfleet-alarm -t sh | grep 'has failed' || true";
    assert.equal(await tree.shell(alarms), '');
  });

  test(`${name}: no unit is refused a system call; users are those of the units`, async () => {
    const journal = await tree.shell('journalctl -b -o cat --no-pager -u "pemfleet*"');
    const users = await tree.shell(
      'ps -eo user:32,args | grep /usr/bin/pemfleet | grep -v grep | cut -d" " -f1 | sort -u',
    );

    assert.doesNotMatch(journal, /SIGSYS|EPERM|EACCES|EROFS/);
    assert.equal(users, 'pemfleet\npemfleet-responder\n');
  });

  test(`${name}: commands that root types once do no harm`, async () => {
    const before = await serial();
    await tree.shell('pemfleet run --force-renewal');
    await tree.shell('pemfleet-agent sync');

    const foreign = 'find /var/lib/pemfleet /var/lib/pemfleet-agent /etc/haproxy/certs -user root';
    assert.equal(await tree.shell(foreign), '');
    assert.notEqual(await serial(), before);
    await tree.shell(
      'systemctl start pemfleet && systemctl restart pemfleet-agent && systemctl start pemfleet-status',
    );
  });

  const UNITS = ['pemfleet-responder', 'pemfleet-agent', 'pemfleet.timer', 'pemfleet-status.timer'];
  const invocations = async () =>
    (await tree.shell(`systemctl show --value -p InvocationID ${UNITS.join(' ')}`)).split('\n\n');
  /** When the last pass began. */
  const passBegan = () => tree.shell('systemctl show --value -p ExecMainStartTimestampMonotonic pemfleet');

  test(`${name}: a restart of the target restarts each of its units, with a pass, and all goes on`, async () => {
    const [before, units, pass] = [await serial(), await invocations(), await passBegan()];

    await tree.shell('systemctl restart pemfleet.target');

    await until(
      async () => (await passBegan()) !== pass,
      () => undefined,
      60_000,
    );
    for (const [index, id] of (await invocations()).entries()) {
      assert.notEqual(id, units[index], UNITS[index]);
    }
    assert.equal(await tree.shell(`systemctl is-active ${UNITS.join(' ')}`), 'active\n'.repeat(4));
    assert.equal((await tree.handshake('shop.test')).serial, before);
    await tree.shell('until [ "$(systemctl is-active pemfleet)" = inactive ]; do sleep 0.2; done');
    assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
  });

  test(`${name}: enabled before there are settings, it is served by the command that init names`, async () => {
    await tree.shell('pemfleet init --undo && systemctl disable --now pemfleet.target');
    await tree.shell('systemctl enable --now pemfleet.target');
    // The pass of the start has failed: nothing is configured.
    await tree.shell('until systemctl is-failed pemfleet; do sleep 0.2; done');

    const said = await tree.shell(initOf(tree, 'other.test'));

    const [, command = 'none'] =
      /^ {2}(systemctl (?:enable|restart|start).*pemfleet\.target)$/m.exec(said) ?? [];
    assert.equal(command, 'systemctl restart pemfleet.target', said);
    await tree.shell(command);
    await tree.served('other.test');
    await tree.shell('until [ "$(systemctl is-active pemfleet)" = inactive ]; do sleep 0.2; done');
    assert.equal(await tree.shell('systemctl --failed --no-legend --plain'), '');
  });

  test(`${name}: after a reboot it is served before anything is issued`, async () => {
    const before = await serial();
    await tree.machine.shutDown();
    await tree.machine.boot();

    await tree.served('shop.test');
    assert.equal(await serial(), before);
    assert.equal(
      await tree.shell('systemctl is-active pemfleet.target pemfleet-agent pemfleet-responder'),
      'active\nactive\nactive\n',
    );
  });

  test(`${name}: taken away, HAProxy serves on, also after its restart`, async () => {
    const before = [await serial(), await reloads()];

    await tree.shell(remove);

    assert.deepEqual([await serial(), await reloads()], before);
    assert.equal(
      await tree.shell('ls /usr/bin/pemfleet* /usr/lib/systemd/system/pemfleet* 2>/dev/null || true'),
      '',
    );
    await tree.shell('systemctl restart haproxy');
    assert.equal(await serial(), before[0]);
  });
}
