// Fetches programs of other Debian suites beside the machine's own, and changes nothing of it: apt-get works in
// private directories, and each program gets its own suite's libc, OpenSSL… in one flat folder.
// Plain JavaScript, because it runs before the npm packages are there.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** Runs a command; failing, it throws with the end of what the command said. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 64 << 20, ...options }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-8).join('\n  ');
      reject(new Error(`${command} ${args.slice(0, 3).join(' ')} failed:\n  ${said || error.message}`));
    });
  });
}

/**
 * Reads what a suite offers.
 * @param workDir where apt-get works for this suite
 * @param mirror default: this machine's
 */
export async function openSuite(suite, workDir, mirror = findDebianMirror()) {
  const env = { ...process.env, APT_CONFIG: await writeAptConfig(workDir), LC_ALL: 'C' };
  const opened = { suite, workDir, mirror, env };
  await readLists(opened, [suite]);
  return opened;
}

/** The suite's versions of a package, the newest first; none when it lacks the package. */
export async function versionsOf({ env }, name) {
  const table = await run('apt-cache', ['madison', name], { env });
  const rows = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()));
  return rows.filter(([found]) => found === name).map(([, version]) => version);
}

/**
 * Installs packages of an opened suite into a tree of its own.
 * @param packages names, or `name=version`
 * @returns the tree, its library folders, its loader and the packages' versions
 */
export async function unpackSuite(opened, packages, say) {
  const { suite, workDir, env } = opened;
  const base = baseOf(suite);
  if (base !== undefined) await readLists(opened, [base, suite]);
  say(`fetching ${packages.join(', ')} of Debian ${suite}`);
  const install = ['--download-only', '--target-release', suite, 'install', ...packages, 'patchelf'];
  await run('apt-get', ['-q', '-y', ...install], { env });
  const archives = join(workDir, 'cache/archives');
  const root = join(workDir, 'root');
  const versions = {};
  for (const archive of glob(archives, /\.deb$/)) {
    await run('dpkg', ['-x', archive, root]);
    const [name, version] = basename(archive).split('_');
    versions[name] = decodeURIComponent(version);
  }
  const libraryDirs = ['lib', 'usr/lib'].flatMap((dir) => glob(join(root, dir), /-linux-gnu/));
  const loader = libraryDirs.flatMap((dir) => glob(dir, /^ld-linux.*\.so\.\d+$/))[0];
  if (!loader) throw new Error(`found no dynamic loader in Debian ${suite}'s libc6`);
  return { root, libraryDirs, loader, versions };
}

/** The suite that completes a partial one: it has the libraries that the other's packages were built with. */
const baseOf = (suite) =>
  suite === 'experimental' ? 'sid' : /^(.+)-(?:backports|updates)$/.exec(suite)?.[1];

/**
 * Copies a program and the libraries that it loads to `into` (bin/, lib/), and makes it start there by itself.
 * The loader stands in the program's header (not before it on the command line), because HAProxy's master
 * re-executes its own program at a reload.
 * @param finalDir where `into` will be renamed to: the header holds absolute paths
 */
export async function relocate(tree, program, into, finalDir) {
  const name = basename(program);
  const source = join(tree.root, program);
  const byLoader = ['--library-path', tree.libraryDirs.join(':')];
  const list = await run(tree.loader, [...byLoader, '--list', source]);
  // libc opens libgcc_s by name when a thread ends: no list shows it
  const threadExit = tree.libraryDirs.flatMap((dir) => glob(dir, /^libgcc_s\.so\.1$/)).slice(0, 1);
  const libraries = [...list.matchAll(/ => (\/\S+)/g)].map(([, file]) => file);
  for (const dir of ['bin', 'lib']) mkdirSync(join(into, dir), { recursive: true });
  for (const file of [...libraries, ...threadExit, tree.loader]) {
    copyFileSync(file, join(into, 'lib', basename(file)));
  }
  const target = join(into, 'bin', name);
  copyFileSync(source, target);
  chmodSync(target, 0o755);
  chmodSync(join(into, 'lib', basename(tree.loader)), 0o755);
  const finalLib = join(finalDir, 'lib');
  const patchelf = [...byLoader, join(tree.root, 'usr/bin/patchelf')];
  const header = [
    '--set-interpreter',
    join(finalLib, basename(tree.loader)),
    '--force-rpath',
    '--set-rpath',
    finalLib,
  ];
  await run(tree.loader, [...patchelf, ...header, target]);
}

async function writeAptConfig(workDir) {
  for (const dir of ['lists/partial', 'cache/archives/partial', 'sources']) {
    mkdirSync(join(workDir, dir), { recursive: true });
  }
  // an otherwise empty machine, so that the suite's own libc comes along; these four would only bring maintainer scripts' tools
  const present = ['adduser', 'debconf', 'init-system-helpers', 'lsb-base', 'sysvinit-utils'];
  const installed =
    'Status: install ok installed\nArchitecture: all\nMaintainer: nobody\nVersion: 999\nDescription: none';
  writeFileSync(
    join(workDir, 'status'),
    present.map((name) => `Package: ${name}\n${installed}\n\n`).join(''),
  );
  const file = join(workDir, 'apt.conf');
  writeFileSync(file, `${[...aptSettings(workDir), ...(await proxySettings())].join('\n')}\n`);
  return file;
}

/** Makes the private apt-get one of these suites; lists that it has already are not fetched again. */
async function readLists({ workDir, mirror, env }, suites) {
  const { uri, signedBy, isTrusted } = mirror;
  const source = ['Types: deb', `URIs: ${uri}`, `Suites: ${suites.join(' ')}`, 'Components: main'];
  if (signedBy) source.push(`Signed-By: ${signedBy}`);
  if (isTrusted) source.push('Trusted: yes');
  writeFileSync(join(workDir, 'sources/debian.sources'), `${source.join('\n')}\n`);
  await run('apt-get', ['-q', 'update'], { env });
}

const aptSettings = (workDir) => [
  // no file of the machine's apt.conf.d: its hooks are for the machine's own packages
  'Dir::Etc::parts "/dev/null"; Dir::Etc::main "/dev/null"; Dir::Etc::sourcelist "/dev/null";',
  'Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";',
  `Dir::Etc::sourceparts "${join(workDir, 'sources')}"; Dir::State "${workDir}"; Dir::State::lists "${join(workDir, 'lists')}";`,
  `Dir::State::status "${join(workDir, 'status')}"; Dir::Cache "${join(workDir, 'cache')}"; Dir::Log "${workDir}";`,
  'APT::Install-Recommends "false"; Acquire::Languages "none"; Acquire::PDiffs "false"; Acquire::Retries "3";',
  // a mirror may be frozen; and root must not become _apt, who may not write here
  'Acquire::Check-Valid-Until "false"; APT::Sandbox::User "root";',
];

async function proxySettings() {
  const dump = await run('apt-config', ['dump']);
  return dump.split('\n').filter((line) => /^Acquire::(https?|ForceIPv)/.test(line) && !/ "";$/.test(line));
}

/** The mirror that this machine uses, and the keyring that it trusts for it. */
export function findDebianMirror(etc = '/etc/apt') {
  const files = [...glob(etc, /^sources\.list$/), ...glob(join(etc, 'sources.list.d'), /\.(list|sources)$/)];
  const entries = files.flatMap((file) => {
    const text = readFileSync(file, 'utf8').replace(/^[ \t]*#.*\n/gm, '');
    return file.endsWith('.sources') ? readStanzas(text) : readOneLiners(text);
  });
  // also the form of the cloud images: mirror+file:/etc/apt/mirrors/debian.list
  const mirror = entries.find(({ uri }) => /\/debian(\.list)?\/?$/.test(uri));
  if (!mirror) throw new Error(`found no Debian mirror in ${files.join(', ') || etc}`);
  return mirror;
}

function readStanzas(text) {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name) =>
      stanza.match(new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, 'im'))?.[1]?.trim();
    if (!/\bdeb\b(?!-)/.test(field('Types') ?? '') || field('Enabled') === 'no') return [];
    return (field('URIs') ?? '').split(/\s+/).map((uri) => ({ uri, signedBy: field('Signed-By') }));
  });
}

function readOneLiners(text) {
  return [...text.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)/gm)].map(([, options, uri]) => {
    return { uri, signedBy: options?.match(/signed-by=(\S+)/i)?.[1] };
  });
}

function glob(dir, pattern) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(dir, name));
}
