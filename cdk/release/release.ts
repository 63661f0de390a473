/** What `npm run release` leaves: executables in tarballs, .deb and .rpm, an image, and the papers that go with them. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageFolders } from './bundle.ts';
import { completionsOf } from './command-line/completion.ts';
import { manualPage } from './command-line/manual.ts';
import type { CommandLineSpec } from './command-line/spec.ts';
import {
  executablePath,
  makeBlob,
  makeExecutable,
  openToolbox,
  type ProgramBlob,
  type Toolbox,
} from './executable.ts';
import { makeImage } from './image/image.ts';
import { type PackageFile, type ProgramName, packageFiles } from './packages/contents.ts';
import { makeDeb } from './packages/deb.ts';
import { maintainerScripts } from './packages/maintainer-scripts.ts';
import { makeRpm } from './packages/rpm.ts';
import { hostFiles, makeTarball } from './packages/tarball.ts';
import { noticeText, readBundledPackage } from './papers/notices.ts';
import { makeProvenance, type SourceState } from './papers/provenance.ts';
import { makeSbom, type ProgramParts } from './papers/sbom.ts';
import { digestFiles, signSums, writeSums } from './papers/sums.ts';
import type { Arch } from './runtime.ts';

export const FORMS = ['tar', 'deb', 'rpm', 'oci'] as const;
export type Form = (typeof FORMS)[number];

/** A program of the release. */
export interface Program {
  name: ProgramName;
  /** Its TypeScript. */
  entry: string;
  /** Folder with units and scripts. */
  host: string;
  /** Options of Node that it runs with. */
  execArgv: readonly string[];
  commandLine: CommandLineSpec;
  /** Schemas of settings, for editors: by file name. */
  schemas: Readonly<Record<string, string>>;
  /** For its manual page. */
  files: Readonly<Record<string, string>>;
  summary: string;
  description: readonly string[];
}

export interface ReleaseOptions {
  root: string;
  /** Folder of tarballs that an earlier build has fetched. */
  cache: string;
  /** Debian's, for the base of the image: asked only for what the cache lacks. */
  mirror: () => string;
  version: string;
  out: string;
  programs: readonly Program[];
  archs: readonly Arch[];
  forms: readonly Form[];
  source: SourceState;
  /** A key of SSH. Without it, the release is not signed. */
  signingKey: string | undefined;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

/** A program whose code is bundled. */
interface BuiltProgram extends ProgramParts {
  program: Program;
  blob: ProgramBlob;
}

/** @returns the files' names */
export async function makeRelease(options: ReleaseOptions): Promise<string[]> {
  const { root, out, say } = options;
  const work = join(out, 'work');
  await rm(out, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const toolbox = await openToolbox(options.cache, work);
  const built = await Promise.all(options.programs.map((program) => buildProgram(toolbox, program)));
  const made = built.flatMap((one) => options.archs.map((arch) => makeForms(options, toolbox, one, arch)));
  const names = (await Promise.all(made)).flat();
  const issuer = built.find(({ name }) => name === 'pemfleet');
  if (issuer && options.forms.includes('oci')) names.push(await makeIssuerImage(options, toolbox, issuer));
  const locked = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')).packages;
  const { version, source } = options;
  const sbom = makeSbom({ version, programs: built, locked, seconds: source.seconds });
  names.push(await writeJson(out, `pemfleet-${version}.cdx.json`, sbom));
  names.push(await writeProvenance(options, names));
  await writeSums(out, await digestFiles(out, names));
  await rm(work, { recursive: true });
  if (options.signingKey === undefined) say('not signed: PEMFLEET_RELEASE_KEY names no key');
  else await signSums(out, options.signingKey);
  return names;
}

async function buildProgram(toolbox: Toolbox, program: Program): Promise<BuiltProgram> {
  const { name, entry, execArgv } = program;
  const blob = await makeBlob(toolbox, name, entry, execArgv);
  return { name, program, blob, packages: packageFolders(blob.metafile).map(readBundledPackage) };
}

async function makeForms(
  { root, version, out, forms, source, say }: ReleaseOptions,
  toolbox: Toolbox,
  { program, blob, packages }: BuiltProgram,
  arch: Arch,
): Promise<string[]> {
  const { name, host, commandLine, summary, description } = program;
  const executable = await makeExecutable(toolbox, name, arch, blob);
  const runtimeLicense = await readFile(join(toolbox.runtimes[arch], 'LICENSE'), 'utf8');
  const notice = noticeText(name, packages);
  const manual = manualPage(commandLine, program.files);
  const completions = completionsOf(commandLine);
  const { seconds } = source;
  const { work } = toolbox;
  const files = packageFiles(root, {
    ...{ name, program: executable, manual, completions, notice, runtimeLicense },
    schemas: program.schemas,
  });
  const scripts = maintainerScripts(name, files);
  const maintainer = 'pemfleet maintainers';
  const packageVersion = version.replaceAll('-', '~');
  const binary = {
    ...{ name, version: packageVersion, arch, files, scripts, summary, description, maintainer, seconds },
  };
  const makers: Record<Exclude<Form, 'oci'>, () => Promise<string>> = {
    tar: async () =>
      makeTarball(`${name}-${version}-linux-${arch}`, await tarballFiles(root, host, files, name), {
        ...{ work, out, seconds },
      }),
    deb: () => makeDeb(binary, work, out),
    rpm: () => makeRpm(binary, work, out),
  };
  const names: string[] = [];
  for (const form of forms) if (form !== 'oci') names.push(await makers[form]());
  say(`built ${names.join(', ')}`);
  return names;
}

/** One image for all architectures. */
async function makeIssuerImage(
  { version, out, archs, source, cache, mirror, say }: ReleaseOptions,
  { work, runtimes }: Toolbox,
  { name, packages }: BuiltProgram,
): Promise<string> {
  const notice = noticeText(name, packages);
  const programs = archs.map(async (arch) => ({
    ...{ arch, executable: executablePath(work, arch, name), notice },
    runtimeLicense: await readFile(join(runtimes[arch], 'LICENSE'), 'utf8'),
  }));
  const { seconds } = source;
  const file = await makeImage({
    ...{ version, programs: await Promise.all(programs), work, out, mirror, seconds },
    cache: join(cache, 'debian'),
  });
  say(`built ${file}`);
  return file;
}

/** What a package has, flat, without the pages of the documentation, with the installer. */
async function tarballFiles(
  root: string,
  host: string,
  files: readonly PackageFile[],
  name: ProgramName,
): Promise<PackageFile[]> {
  const taken = [`usr/bin/${name}`, `usr/share/man/man1/${name}.1`, `usr/share/doc/${name}/NOTICE`];
  const others = files.filter(({ path }) => taken.includes(path) || path.endsWith('/LICENSE.node'));
  const completions = files.filter(
    ({ path }) => /completion|site-functions/.test(path) && !path.includes('/zsh/vendor-completions/'),
  );
  const flat = (file: PackageFile, folder = '') => ({
    ...file,
    path: `${folder}${file.path.split('/').at(-1)}`,
  });
  return [
    ...hostFiles(root, host),
    { path: 'LICENSE', mode: 0o644, content: await readFile(join(root, 'LICENSE'), 'utf8') },
    ...others.map((file) => flat(file)),
    ...completions.map((file) => flat(file, `completions/${file.path.split('/')[2]}/`)),
  ];
}

async function writeProvenance(
  { root, out, version, source, env }: ReleaseOptions,
  names: readonly string[],
): Promise<string> {
  const subjects = await digestFiles(out, names);
  const lock = await readFile(join(root, 'package-lock.json'), 'utf8');
  const statement = makeProvenance({ source, version, lock, subjects, env });
  return writeJson(out, `pemfleet-${version}.intoto.json`, statement);
}

async function writeJson(folder: string, name: string, document: unknown): Promise<string> {
  await writeFile(join(folder, name), `${JSON.stringify(document, undefined, 2)}\n`);
  return name;
}
