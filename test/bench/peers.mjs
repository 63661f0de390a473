// Brings other ACME clients for comparison, from Debian like the set-up's parts (test/support/debian/debian.mjs), into
// .parts/bench-*. Plain JavaScript as that is. A peer that cannot be had is an error; the benchmark then says so.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSuite, relocate, unpackSuite } from '../support/debian/debian.mjs';
import { copyPythonTree } from '../support/debian/python.mjs';

const partsPath = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '.parts');
// Several work trees may share one by a link.
const partsDir = existsSync(partsPath) ? realpathSync(partsPath) : partsPath;
const suite = 'sid';

/** Each copies what it needs out of Debian's tree to `into`, which becomes `place`, and writes bin/run there. */
const recipes = {
  lego: async (tree, into, place) => {
    await relocate(tree, 'usr/bin/lego', into, place);
    return `exec "${place}/bin/lego" "$@"`;
  },
  // It is a script of the machine's own tools: bash, openssl, curl.
  dehydrated: async (tree, into, place) => {
    needs('bash', 'openssl', 'curl');
    copy(tree, 'usr/bin/dehydrated', into);
    return `exec bash "${place}/root/usr/bin/dehydrated" "$@"`;
  },
  'acme.sh': async (tree, into, place) => {
    needs('openssl', 'curl');
    copy(tree, 'usr/share/acme.sh', into);
    return `exec "${place}/root/usr/share/acme.sh/acme.sh" "$@"`;
  },
  // acme.sh's hook talks to HAProxy through it.
  socat: async (tree, into, place) => {
    await relocate(tree, 'usr/bin/socat', into, place);
    return `exec "${place}/bin/socat" "$@"`;
  },
  certbot: async (tree, into, place) => {
    const { command, root } = copyPythonTree(tree, into, place);
    return `${command} "${root}/usr/bin/certbot" "$@"`;
  },
  awscli: async (tree, into, place) => {
    const { command, root } = copyPythonTree(tree, into, place);
    return `${command} "${root}/usr/bin/aws" "$@"`;
  },
};

export async function fetchPeer(name, say) {
  const place = join(partsDir, `bench-${name}`);
  const stamp = join(place, 'stamp');
  // programs hold absolute paths: a moved checkout rebuilds them
  const isPresent = existsSync(stamp) && readFileSync(stamp, 'utf8').startsWith(`${place}\n`);
  if (!isPresent) await build(name, place, say);
  const [, version] = readFileSync(stamp, 'utf8').split('\n');
  return { command: [join(place, 'bin/run')], env: {}, version };
}

async function build(name, place, say) {
  mkdirSync(partsDir, { recursive: true });
  const buildDir = mkdtempSync(join(partsDir, '.bench-'));
  try {
    const tree = await unpackSuite(await openSuite(suite, join(buildDir, 'tree')), [name], say);
    const into = join(buildDir, 'into');
    mkdirSync(join(into, 'bin'), { recursive: true });
    const script = await recipes[name](tree, into, place);
    writeFileSync(join(into, 'bin/run'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(into, 'bin/run'), 0o755);
    rmSync(place, { recursive: true, force: true });
    renameSync(into, place);
    // That the peer works is seen when it is measured.
    const install = join(place, 'bin/install');
    if (existsSync(install)) spawnSync('sh', [install], { stdio: 'ignore' });
    writeFileSync(join(place, 'stamp'), `${place}\n${tree.versions[name]}\n`);
  } finally {
    rmSync(buildDir, { recursive: true, force: true });
  }
}

function copy(tree, path, into) {
  const target = join(into, 'root', path);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(tree.root, path), target, { recursive: true, verbatimSymlinks: true });
}

function needs(...programs) {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  if (missing.length > 0) throw new Error(`needs ${missing.join(', ')} of this machine`);
}
