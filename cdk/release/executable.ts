/** Node's single executable applications: the runtime with our program inside (doc/api/single-executable-applications.md). */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build, type Metafile } from 'esbuild';
import { executableOptions } from './bundle.ts';
import { type Arch, RUNTIMES, unpackPinned } from './runtime.ts';

const run = promisify(execFile);

/** Node's own words, by which an executable finds its program. */
const RESOURCE = 'NODE_SEA_BLOB';
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** What executables are made with; unpacked for one build. */
export interface Toolbox {
  /** A folder of this build. */
  work: string;
  /** Folders of Node's packages. */
  runtimes: Readonly<Record<Arch, string>>;
  /** Module of postject. */
  postject: string;
}

/** Unpacks runtimes and postject from their pinned tarballs. */
export async function openToolbox(cache: string, work: string): Promise<Toolbox> {
  const [x64, arm64, postject] = await Promise.all([
    unpackPinned(RUNTIMES.x64, cache, work),
    unpackPinned(RUNTIMES.arm64, cache, work),
    unpackPinned('postject@1.0.0-alpha.6', cache, work),
  ]);
  return { work, runtimes: { x64, arm64 }, postject: resolve(postject, 'dist/api.js') };
}

export interface ProgramBlob {
  file: string;
  metafile: Metafile;
}

/**
 * The program as Node reads it from its own file. No code cache: that would be of one architecture.
 * @param execArgv options of Node that the program runs with
 */
export async function makeBlob(
  { work, runtimes }: Toolbox,
  name: string,
  entry: string,
  execArgv: readonly string[],
): Promise<ProgramBlob> {
  const { metafile } = await build(executableOptions(entry, join(work, `${name}.cjs`)));
  const output = `${name}.blob`;
  const sea = {
    main: `${name}.cjs`,
    output,
    disableExperimentalSEAWarning: true,
    useCodeCache: false,
    useSnapshot: false,
    execArgv,
  };
  await writeFile(join(work, `${name}.sea.json`), JSON.stringify(sea));
  const node = resolve(runtimes[process.arch === 'arm64' ? 'arm64' : 'x64'], 'bin/node');
  // The blob names its source: by a path that is the same in every folder.
  await run(node, ['--experimental-sea-config', `${name}.sea.json`], { cwd: work });
  return { file: join(work, output), metafile };
}

const INJECT = `const [, postject, program, resource, blob, sentinelFuse] = process.argv;
require(postject).inject(program, resource, require('node:fs').readFileSync(blob), { sentinelFuse });`;

/** Where a build has the executable of a program. */
export const executablePath = (work: string, arch: Arch, name: string) => join(work, 'bin', arch, name);

/** @returns the executable's path */
export async function makeExecutable(
  { work, runtimes, postject }: Toolbox,
  name: string,
  arch: Arch,
  { file }: ProgramBlob,
): Promise<string> {
  const program = executablePath(work, arch, name);
  await mkdir(join(work, 'bin', arch), { recursive: true });
  await copyFile(join(runtimes[arch], 'bin/node'), program);
  // A process of its own: it keeps one processor busy for some seconds, and complains of sections that it does not know.
  await run(process.execPath, ['-e', INJECT, postject, program, RESOURCE, file, FUSE]);
  await chmod(program, 0o755);
  return program;
}
