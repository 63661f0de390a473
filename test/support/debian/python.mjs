// A Python program of another Debian suite: its whole tree goes along, with the Python, the libc and the modules of that
// suite, started by its own loader. Plain JavaScript, as debian.mjs.

import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Copies the tree to `into`/root, and writes `into`/bin/install, to be run when it is in its place.
 * @param place where `into` will be renamed to
 * @returns the shell words that become that Python, and the tree's folder in its place
 */
export function copyPythonTree(tree, into, place) {
  const target = join(into, 'root/usr');
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(tree.root, 'usr'), target, { recursive: true, verbatimSymlinks: true });
  const root = `${place}/root`;
  const moved = (path) => path.replace(tree.root, root).replace(`${root}/lib`, `${root}/usr/lib`);
  const libraryPath = [...new Set(tree.libraryDirs.map(moved))].join(':');
  const [python] = readdirSync(join(target, 'bin')).filter((name) => /^python3\.\d+$/.test(name));
  const home = `PYTHONHOME="${root}/usr" PYTHONPATH="${root}/usr/lib/python3/dist-packages"`;
  const start = `"${moved(tree.loader)}" --library-path "${libraryPath}" "${root}/usr/bin/${python}"`;
  const command = `${home} exec ${start}`;
  const dirs = ['python3', python].map((name) => `"${root}/usr/lib/${name}"`).join(' ');
  // Debian's packages byte-compile at their installation; without it each start takes seconds. Files that cannot be
  // compiled are old tests of their packages.
  mkdirSync(join(into, 'bin'), { recursive: true });
  writeFileSync(join(into, 'bin/install'), `(${command} -m compileall -q ${dirs}) || true\n`);
  return { command, root };
}

/** moto's server as one command. */
export function buildMoto(tree, built, place) {
  const { command } = copyPythonTree(tree, built, place);
  const script = join(built, 'bin/moto');
  writeFileSync(script, `#!/bin/sh\n${command} -m moto.server "$@"\n`);
  chmodSync(script, 0o755);
}
