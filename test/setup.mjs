// Brings what tests and `npm start` stand on: the npm packages, and the real parts (HAProxy in four versions,
// OpenSSL, Pebble, Caddy, moto) in .parts/. Idempotent, quick when all is there, needs no root and leaves the machine as it was.
// Plain JavaScript without dependencies: it runs on a fresh clone.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseVersion } from './support/debian/choose.mjs';
import { openSuite, relocate, run, unpackSuite, versionsOf } from './support/debian/debian.mjs';
import { parts } from './support/debian/parts.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));
const partsDir = join(projectDir, '.parts');
/** Raise it when parts must be rebuilt. */
const recipe = 1;

const known = ['npm', ...Object.keys(parts)];
/** For `npm run test:install` only: rpm; and a machine, which wants root, a minute and 300 MB. */
const everything = known.filter((name) => !name.startsWith('machine') && name !== 'rpm');
const say = (line) => {
  process.stderr.write(`set-up: ${line}\n`);
};

/** Where a program is; a missing one is an error that says what to do. */
export function programPath(name) {
  const [part, { programs }] = Object.entries(parts).find(([, { programs }]) => name in programs);
  const { env, file } = programs[name];
  const path = process.env[env] || join(partsDir, part, 'bin', file.split('/').at(-1));
  if (!existsSync(path)) {
    throw new Error(`${name} is not at ${path}: run "node test/setup.mjs", or set ${env} to one`);
  }
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

// the programs hold absolute paths: a moved checkout rebuilds them
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

/** No package runs a script of its own: those of esbuild, biome and tsx only save time at the first start. */
function installPackages() {
  say('npm ci');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
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
    const opened = await openSuites(names, buildDir);
    const choices = await Promise.all(names.map((name) => choose(name, opened)));
    const choicesOf = (suite) => choices.filter((choice) => choice.suite === suite);
    const builds = await Promise.allSettled(
      opened.map((suite) => buildSuite(suite, choicesOf(suite.suite), buildDir)),
    );
    const errors = [
      ...choices.flatMap(({ name, refusal }) => (refusal === undefined ? [] : `${name}: ${refusal}`)),
      ...builds.flatMap(({ reason }) => (reason === undefined ? [] : reason.message)),
    ];
    if (errors.length > 0) throw new Error(errors.join('\n'));
  } catch (error) {
    throw new Error(`${error.message}\n${hint(names.filter((name) => !isPresent(name)))}`, { cause: error });
  } finally {
    rmSync(buildDir, { recursive: true, force: true });
  }
}

/** Reads each suite once. One that the mirror lacks stops nothing as long as another has the versions. */
async function openSuites(names, buildDir) {
  const suites = [...new Set(names.flatMap((name) => parts[name].suites))];
  const open = (suite) =>
    openSuite(suite, join(buildDir, suite)).catch((error) =>
      say(`Debian ${suite} cannot be read: ${error.message.split('\n').at(-1).trim()}`),
    );
  return (await Promise.all(suites.map(open))).filter((opened) => opened !== undefined);
}

/** @returns the part's name, with the suite and the version that it gets or with the refusal */
async function choose(name, opened) {
  const { suites, package: debianPackage, wanted } = parts[name];
  const offers = suites.map(async (suite) => {
    const found = opened.find((each) => each.suite === suite);
    return { suite, versions: found && (await versionsOf(found, debianPackage)) };
  });
  return { name, ...chooseVersion(wanted, await Promise.all(offers)) };
}

async function buildSuite(suite, choices, buildDir) {
  if (choices.length === 0) return;
  const packages = choices.flatMap(({ name, version }) => [
    `${parts[name].package}=${version}`,
    ...(parts[name].also ?? []),
  ]);
  const tree = await unpackSuite(suite, packages, say);
  for (const { name, version } of choices) {
    const built = join(buildDir, name);
    const place = join(partsDir, name);
    if (parts[name].build) await parts[name].build(tree, built, place);
    else for (const { file } of Object.values(parts[name].programs)) await relocate(tree, file, built, place);
    rmSync(place, { recursive: true, force: true });
    renameSync(built, place);
    if (existsSync(join(place, 'bin/install'))) await run('sh', [join(place, 'bin/install')]);
    const [program, argument] = parts[name].probe;
    await run(join(place, 'bin', program), [argument]);
    say(`${name}: ${version} of Debian ${suite.suite}`);
    writeFileSync(join(place, 'stamp'), stampOf(name));
  }
}

function hint(names) {
  const wanted = names.flatMap((name) => Object.entries(parts[name].programs));
  return [
    'The set-up takes these programs from the Debian mirror of this machine, by apt-get; a version that has left all',
    'suites of the mirror cannot be fetched. Where that cannot be, install them yourself and say where they are:',
    ...wanted.map(([program, { env }]) => `  export ${env}=/path/to/${program}`),
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const [flag, names, ...rest] = process.argv.slice(2);
    const isUsage = flag === undefined || (flag === '--only' && names && rest.length === 0);
    if (!isUsage) throw new Error(`usage: node test/setup.mjs [--only ${known.join(',')}]`);
    await setUp(names?.split(',').filter(Boolean));
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
