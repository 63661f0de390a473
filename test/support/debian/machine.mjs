// A whole Debian as a cloud image has it (systemd, cloud-init with its Python, HAProxy; no Node, no AWS CLI), and what
// boots it: for tests of an installation. Plain JavaScript, as debian.mjs.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findDebianMirror, relocate, run } from './debian.mjs';

/** Its own mmdebstrap and systemd-nspawn make and boot it. */
export const MACHINE_SUITE = 'bookworm';
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'cloud-init', 'haproxy'];
/** No manuals, and no fsync: the machine lives for one test run. */
const DPKG = [
  'force-unsafe-io',
  ...['doc', 'man', 'locale', 'info'].map((name) => `path-exclude=/usr/share/${name}/*`),
];

/** Leaves `into`/bin/systemd-nspawn, and `into`/machine.tar. */
export async function buildMachine(tree, into, place) {
  if (process.getuid() !== 0) throw new Error('a machine is made and booted by root only: run it as root');
  const libraryDirs = [...tree.libraryDirs, ...tree.libraryDirs.map((dir) => join(dir, 'systemd'))];
  await relocate({ ...tree, libraryDirs }, 'usr/bin/systemd-nspawn', into, place);
  const { uri, signedBy } = findDebianMirror();
  const source = `deb ${signedBy ? `[signed-by=${signedBy}] ` : ''}${uri} ${MACHINE_SUITE} main`;
  const work = join(into, 'work');
  mkdirSync(work);
  const bin = join(tree.root, 'usr/bin');
  await run(
    'perl',
    [
      join(bin, 'mmdebstrap'),
      ...['--mode=root', '--variant=minbase', `--include=${PACKAGES.join(',')}`],
      ...DPKG.map((option) => `--dpkgopt=${option}`),
      ...[MACHINE_SUITE, join(into, 'machine.tar'), source],
    ],
    // its mmtarfilter is looked for by PATH
    { env: { ...process.env, PATH: `${process.env.PATH}:${bin}`, TMPDIR: work } },
  );
  rmSync(work, { recursive: true });
}
