/** Packages for Debian and its kin, by dpkg-deb (deb(5), Debian Policy 6.5 for the order of the scripts). */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ownFolders, type PackageFile, placeFiles } from './contents.ts';
import type { MaintainerScripts } from './maintainer-scripts.ts';
import type { BinaryPackage } from './package.ts';

const run = promisify(execFile);

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' } as const;

/** glibc of Node's own requirements; systemd makes user and directories; flock holds the locks. */
const DEPENDS = 'libc6 (>= 2.28), libstdc++6, systemd, util-linux';

/** @returns the name of the file that it leaves in `out` */
export async function makeDeb(binary: BinaryPackage, work: string, out: string): Promise<string> {
  const { name, version, arch, files, seconds } = binary;
  const folder = join(work, `deb-${name}-${arch}`);
  await placeFiles(folder, files, seconds);
  for (const own of ['DEBIAN', ...ownFolders(name, files)]) {
    await mkdir(join(folder, own), { recursive: true });
  }
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${ARCHITECTURES[arch]}`,
    `Maintainer: ${binary.maintainer}`,
    `Installed-Size: ${Math.ceil((await sizeOf(files)) / 1024)}`,
    `Depends: ${DEPENDS}`,
    ...(name === 'pemfleet-agent' ? ['Recommends: haproxy (>= 2.6)'] : ['Suggests: pemfleet-agent']),
    'Section: admin',
    'Priority: optional',
    `Description: ${binary.summary}`,
    ...binary.description.map((line) => ` ${line}`),
  ];
  const parts: Record<string, string> = {
    control: `${control.join('\n')}\n`,
    md5sums: (await Promise.all(files.map(md5Line))).join(''),
    ...debScripts(binary.scripts),
  };
  for (const [part, text] of Object.entries(parts)) {
    await writeFile(join(folder, 'DEBIAN', part), text);
    await chmod(join(folder, 'DEBIAN', part), text.startsWith('#!') ? 0o755 : 0o644);
  }
  await run('find', [folder, '-type', 'd', '-exec', 'chmod', '0755', '{}', '+']);
  const file = `${name}_${version}_${ARCHITECTURES[arch]}.deb`;
  const options = ['--root-owner-group', '--threads-max=1', '-Zzstd', '-z3'];
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(seconds) };
  await run('dpkg-deb', [...options, '--build', folder, join(out, file)], { env });
  return file;
}

async function bodyOf({ content }: PackageFile): Promise<string | Buffer> {
  return typeof content === 'string' ? content : readFile(content.executable);
}

async function sizeOf(files: readonly PackageFile[]): Promise<number> {
  const bodies = await Promise.all(files.map(bodyOf));
  return bodies.reduce((sum, body) => sum + Buffer.byteLength(body), 0);
}

async function md5Line(file: PackageFile): Promise<string> {
  return `${createHash('md5')
    .update(await bodyOf(file))
    .digest('hex')}  ${file.path}\n`;
}

/** dpkg: postinst `configure` has the version before as $2, or nothing; prerm and postrm have `remove`, `upgrade` or `purge` as $1. */
function debScripts(scripts: MaintainerScripts): Record<string, string> {
  const { installed, configured, removing, removed, purged } = scripts;
  const when = (condition: string, commands: string) => `if ${condition}; then\n${indented(commands)}\nfi\n`;
  return {
    postinst: [
      HEAD,
      when('[ "$1" = configure ] && [ -z "$2" ]', installed),
      when('[ "$1" = configure ]', configured),
    ].join(''),
    prerm: `${HEAD}${when('[ "$1" = remove ]', removing)}`,
    postrm: `${HEAD}${when('[ "$1" = remove ]', removed)}${when('[ "$1" = purge ]', purged)}`,
  };
}

const HEAD = '#!/bin/sh\nset -e\n';
const indented = (text: string) => text.replace(/^(?=.)/gm, '    ');
