// Whole Debians, and what boots them: for tests of an installation. Plain JavaScript, as debian.mjs.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findDebianMirror, relocate, run } from './debian.mjs';

/** Its own mmdebstrap and systemd-nspawn make and boot all of them. */
export const MACHINE_SUITE = 'bookworm';
/** procps: HAProxy's own unit reloads by /bin/kill, which each Debian but the smallest has. */
const BASE = ['systemd', 'systemd-sysv', 'dbus', 'procps', 'haproxy'];
/** No manuals, and no fsync: the machine lives for one test run. */
const DPKG = [
  'force-unsafe-io',
  ...['doc', 'man', 'locale', 'info'].map((name) => `path-exclude=/usr/share/${name}/*`),
];

/** Debian 12 as a cloud image has it: cloud-init with its Python, HAProxy 2.6; no Node, no AWS CLI. */
export const buildMachine = machineOf({ suite: 'bookworm', packages: ['cloud-init'] });

/** Debian 13 with HAProxy 3.0 and its own Node 20. */
export const buildMachine13 = machineOf({ suite: 'trixie', packages: ['nodejs'] });

/**
 * A tree whose package manager is rpm, with dnf: programs and libraries are Debian's, because no repository of a
 * distribution with rpm can be fetched; its database says what they provide. It has Debian 12's Node 18, which is too old for us.
 */
export const buildRpmMachine = machineOf({
  suite: 'bookworm',
  packages: ['rpm', 'dnf', 'nodejs'],
  prepare: makeRpmTree,
});

/** What the packages of this tree provide, in the words of Fedora's and Amazon Linux's. */
const BASE_SPEC = `Name: base-of-the-tree
Version: 1
Release: 1
Summary: What the tree has, by the names of distributions with rpm
License: none
BuildArch: noarch
Provides: ${['systemd', 'util-linux', 'util-linux-core', 'glibc', 'haproxy', 'shadow-utils', 'coreutils', 'bash'].join(', ')}
Provides: /bin/sh, /usr/bin/sh, /usr/bin/flock, /usr/bin/systemctl
Provides: libc.so.6(GLIBC_2.28)(64bit), libstdc++.so.6()(64bit)
%description
%files
`;

/** A script of mmdebstrap's customize-hook: $1 is the tree. */
function makeRpmTree(work) {
  const spec = join(work, 'base.spec');
  writeFileSync(spec, BASE_SPEC);
  const hook = join(work, 'rpm-tree.sh');
  writeFileSync(
    hook,
    `#!/bin/sh
set -eu
mkdir -p "$1/etc/rpm" "$1/root"
# Debian's rpm keeps its database in the home directory, and warns where it installs.
printf '%%_dbpath /var/lib/rpm\n' >"$1/etc/rpm/macros"
cp ${spec} "$1/root/base.spec"
chroot "$1" sh -ec 'rpm --initdb; rpmbuild --quiet -bb /root/base.spec; rpm -i --force-debian --nodeps /root/rpmbuild/RPMS/noarch/*.rpm; rm -rf /root/rpmbuild /root/base.spec; rpm -q base-of-the-tree'
`,
    { mode: 0o755 },
  );
  return [`--customize-hook=${hook} "$1"`];
}

/** @returns what leaves `into`/bin/systemd-nspawn, and `into`/machine.tar */
function machineOf({ suite, packages, prepare = () => [] }) {
  return async (tree, into, place) => {
    if (process.getuid() !== 0) throw new Error('a machine is made and booted by root only: run it as root');
    const libraryDirs = [...tree.libraryDirs, ...tree.libraryDirs.map((dir) => join(dir, 'systemd'))];
    await relocate({ ...tree, libraryDirs }, 'usr/bin/systemd-nspawn', into, place);
    const { uri, signedBy } = findDebianMirror();
    const source = `deb ${signedBy ? `[signed-by=${signedBy}] ` : ''}${uri} ${suite} main`;
    const work = join(into, 'work');
    mkdirSync(work);
    const bin = join(tree.root, 'usr/bin');
    await run(
      'perl',
      [
        join(bin, 'mmdebstrap'),
        ...['--mode=root', '--variant=minbase', `--include=${[...BASE, ...packages].join(',')}`],
        ...DPKG.map((option) => `--dpkgopt=${option}`),
        ...prepare(work),
        ...[suite, join(into, 'machine.tar'), source],
      ],
      // its mmtarfilter is looked for by PATH
      { env: { ...process.env, PATH: `${process.env.PATH}:${bin}`, TMPDIR: work } },
    );
    rmSync(work, { recursive: true });
  };
}
