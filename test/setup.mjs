// Brings what tests and `npm start` stand on: the npm packages, and the real parts (HAProxy in three versions,
// Pebble, moto) in .parts/. Idempotent, quick when all is there, needs no root and leaves the machine as it was.
// Plain JavaScript without dependencies: it runs on a fresh clone.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { relocate, run, unpackSuite } from './support/debian/debian.mjs';
import { buildMachine } from './support/debian/machine.mjs';
import { buildMoto } from './support/debian/python.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const partsDir = join(projectDir, '.parts');
/** Raise it when parts must be built anew. */
const recipe = 1;

const haproxy = (version, suite) => ({
  suite,
  package: 'haproxy',
  programs: {
    [`haproxy-${version}`]: { file: 'usr/sbin/haproxy', env: `PEMFLEET_HAPROXY_${version.replace('.', '')}` },
  },
  wanted: new RegExp(`^${version.replace('.', '\\.')}\\.`),
  probe: ['haproxy', '-vv'],
});
const parts = {
  'haproxy-2.6': haproxy('2.6', 'bookworm'),
  'haproxy-3.0': haproxy('3.0', 'trixie'),
  'haproxy-3.2': haproxy('3.2', 'sid'),
  pebble: {
    suite: 'sid',
    package: 'pebble',
    programs: {
      pebble: { file: 'usr/bin/pebble', env: 'PEMFLEET_PEBBLE' },
      challtestsrv: { file: 'usr/bin/pebble-challtestsrv', env: 'PEMFLEET_CHALLTESTSRV' },
    },
    // 2.10 or newer: it calls its own version "dev", the package knows
    wanted: /^2\.[1-9]\d\./,
    probe: ['pebble', '-version'],
  },
  moto: {
    suite: 'sid',
    package: 'python3-moto',
    // its server's and its CloudFormation's, which Debian only suggests
    also: ['python3-flask', 'python3-flask-cors', 'python3-openapi-spec-validator'],
    programs: { moto: { file: 'moto', env: 'PEMFLEET_MOTO' } },
    // before 5.2 it ignores If-Match on PUT, and the current SDK cannot read its times
    wanted: /^5\.([2-9]|\d\d)\./,
    build: buildMoto,
    probe: ['moto', '--help'],
  },
  machine: {
    suite: 'bookworm',
    package: 'mmdebstrap',
    also: ['systemd-container'],
    programs: { nspawn: { file: 'usr/bin/systemd-nspawn', env: 'PEMFLEET_NSPAWN' } },
    wanted: /^1\./,
    build: buildMachine,
    probe: ['systemd-nspawn', '--version'],
  },
};
const known = ['npm', ...Object.keys(parts)];
/** A machine wants root, a minute and 300 MB: for `npm run test:install` only. */
const everything = known.filter((name) => name !== 'machine');
const say = (line) => process.stderr.write(`set-up: ${line}\n`);

/** Where a program is; a missing one is an error that says what to do. */
export function programPath(name) {
  const [part, { programs }] = Object.entries(parts).find(([, { programs }]) => name in programs);
  const { env, file } = programs[name];
  const path = process.env[env] || join(partsDir, part, 'bin', file.split('/').at(-1));
  if (!existsSync(path))
    throw new Error(`${name} is not at ${path}: run "node test/setup.mjs", or set ${env} to one`);
  return path;
}

/** Makes sure that `names` (npm, haproxy-2.6, …, pebble) are there. */
export async function setUp(names = everything) {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; known: ${known.join(', ')}`);
  if (names.every(isPresent)) return;
  mkdirSync(partsDir, { recursive: true });
  if (!process.env.PEMFLEET_SETUP_LOCKED && runLocked(names)) return;
  const missing = names.filter((name) => !isPresent(name));
  if (missing.includes('npm')) installPackages();
  await buildParts(missing.filter((name) => name in parts));
}

const isPresent = (name) => (name === 'npm' ? arePackagesInstalled() : isPartPresent(name));

function isPartPresent(name) {
  if (Object.values(parts[name].programs).every(({ env }) => process.env[env])) return true;
  const stamp = join(partsDir, name, 'stamp');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === stampOf(name);
}

// the programs hold absolute paths: a moved checkout builds them anew
const stampOf = (name) => `${[recipe, join(partsDir, name), ...(parts[name].also ?? [])].join(' ')}\n`;

/** By content, not by time: git sets the times of a clone as it likes. */
function arePackagesInstalled() {
  const installed = join(projectDir, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const present = read(installed);
  return Object.entries(read(join(projectDir, 'package-lock.json'))).every(
    ([path, { version, link, optional, devOptional }]) =>
      path === '' || link || optional || devOptional || present[path]?.version === version,
  );
}

function installPackages() {
  say('npm ci');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: projectDir,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('npm ci failed (see above)');
}

/** Two set-ups at once: the second waits, and then finds all done. (Debian always has flock(1); elsewhere, run one.) */
function runLocked(names) {
  const self = [process.execPath, fileURLToPath(import.meta.url), '--only', names.join(',')];
  const env = { ...process.env, PEMFLEET_SETUP_LOCKED: '1' };
  const { error, status } = spawnSync('flock', [join(partsDir, '.lock'), ...self], {
    env,
    stdio: ['ignore', 2, 2],
  });
  if (error) return false;
  if (status !== 0) throw new Error('the set-up failed (see above)');
  return true;
}

async function buildParts(names) {
  if (names.length === 0) return;
  const buildDir = mkdtempSync(join(partsDir, '.build-'));
  try {
    const suites = [...new Set(names.map((name) => parts[name].suite))];
    const namesOf = (suite) => names.filter((name) => parts[name].suite === suite);
    const builds = await Promise.allSettled(
      suites.map((suite) => buildSuite(suite, namesOf(suite), buildDir)),
    );
    const failed = builds.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
  } catch (error) {
    throw new Error(`${error.message}\n${hint(names.filter((name) => !isPresent(name)))}`, { cause: error });
  } finally {
    rmSync(buildDir, { recursive: true, force: true });
  }
}

async function buildSuite(suite, names, buildDir) {
  const packages = names.flatMap((name) => [parts[name].package, ...(parts[name].also ?? [])]);
  const tree = await unpackSuite(suite, packages, join(buildDir, suite), say);
  for (const name of names) {
    const built = join(buildDir, name);
    const place = join(partsDir, name);
    const version = tree.versions[parts[name].package];
    if (!parts[name].wanted.test(version)) throw new Error(`${name}: Debian ${suite} has ${version} by now`);
    if (parts[name].build) await parts[name].build(tree, built, place);
    else for (const { file } of Object.values(parts[name].programs)) await relocate(tree, file, built, place);
    rmSync(place, { recursive: true, force: true });
    renameSync(built, place);
    if (existsSync(join(place, 'bin/install'))) await run('sh', [join(place, 'bin/install')]);
    const [program, argument] = parts[name].probe;
    await run(join(place, 'bin', program), [argument]);
    say(`${name}: ${version} of Debian ${suite}`);
    writeFileSync(join(place, 'stamp'), stampOf(name));
  }
}

function hint(names) {
  const wanted = names.flatMap((name) => Object.entries(parts[name].programs));
  return [
    'The set-up takes these programs from the Debian mirror of this machine, by apt-get. Where that cannot be,',
    'install them yourself and say where they are:',
    ...wanted.map(([program, { env }]) => `  export ${env}=/path/to/${program}`),
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const only = process.argv.indexOf('--only');
  try {
    await setUp(only > 0 ? process.argv[only + 1]?.split(',') : undefined);
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
