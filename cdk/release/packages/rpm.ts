/** Packages for Fedora, Amazon Linux, RHEL, SUSE and their kin, by rpmbuild. A package of another architecture needs only its name. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ownFolders, placeFiles } from './contents.ts';
import type { MaintainerScripts } from './maintainer-scripts.ts';
import type { BinaryPackage } from './package.ts';

const run = promisify(execFile);

const ARCHITECTURES = { x64: 'x86_64', arm64: 'aarch64' } as const;

/** By what the libraries offer: distributions name their packages differently. */
const REQUIRES = [
  'libc.so.6(GLIBC_2.28)(64bit)',
  'libstdc++.so.6()(64bit)',
  '/usr/bin/flock',
  '/usr/bin/systemctl',
];

/** Ours, then the machine's: `node test/setup.mjs --only rpm` brings it without changing the machine. */
function rpmbuild(): string {
  const own = resolve('.parts/rpm/bin/rpmbuild');
  return process.env['PEMFLEET_RPMBUILD'] ?? (existsSync(own) ? own : 'rpmbuild');
}

/** @returns the name of the file that it leaves in `out` */
export async function makeRpm(binary: BinaryPackage, work: string, out: string): Promise<string> {
  const { name, version, arch, files, seconds } = binary;
  const folder = resolve(work, `rpm-${name}-${arch}`);
  await placeFiles(join(folder, 'files'), files, seconds);
  for (const own of ownFolders(name, files)) await mkdir(join(folder, 'files', own), { recursive: true });
  await mkdir(join(folder, 'out'));
  await writeFile(join(folder, 'package.spec'), specOf(binary, join(folder, 'files')));
  const defines = {
    _topdir: folder,
    _rpmdir: join(folder, 'out'),
    _rpmfilename: 'package.rpm',
    ...{ _tmppath: folder, _builddir: folder, _buildhost: 'reproducible', _rpmformat: '4' },
    ...{ use_source_date_epoch_as_buildtime: '1', clamp_mtime_to_source_date_epoch: '1' },
    ...{ build_mtime_policy: 'clamp_to_source_date_epoch' },
    // zstd: read by rpm 4.14 and newer (RHEL 8, Amazon Linux 2023)
    ...{ _binary_payload: 'w3.zstdio', _build_id_links: 'none', debug_package: '%{nil}' },
    ...{ __os_install_post: '%{nil}', _enable_debug_packages: '0', __brp_strip: '%{nil}' },
    _dbpath: join(folder, 'db'),
  };
  const flags = Object.entries(defines).flatMap(([macro, value]) => ['--define', `${macro} ${value}`]);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(seconds), LC_ALL: 'C' };
  const target = `${ARCHITECTURES[arch]}-linux`;
  await run(rpmbuild(), ['-bb', '--quiet', '--target', target, ...flags, join(folder, 'package.spec')], {
    env,
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Error(
      'rpmbuild is missing: install the package rpm, or "node test/setup.mjs --only rpm" ' +
        'brings it beside the system; --forms without rpm builds the rest',
      { cause: error },
    );
  });
  const file = `${name}-${version}-1.${ARCHITECTURES[arch]}.rpm`;
  await rename(join(folder, 'out/package.rpm'), join(out, file));
  return file;
}

function specOf(binary: BinaryPackage, source: string): string {
  const { name, version, files, summary, description } = binary;
  const octal = (mode: number) => mode.toString(8).padStart(4, '0');
  return [
    `Name: ${name}`,
    `Version: ${version}`,
    'Release: 1',
    `Summary: ${summary}`,
    'License: Apache-2.0',
    // The runtime inside has no dependencies but those; what rpmbuild would find by itself depends on the machine it runs on.
    'AutoReqProv: no',
    ...REQUIRES.map((one) => `Requires: ${one}`),
    'Requires(post): systemd',
    ...(name === 'pemfleet-agent' ? ['Recommends: haproxy >= 2.6'] : ['Suggests: pemfleet-agent']),
    `%description\n${description.join('\n')}`,
    // Hard links: the executables are large.
    `%install\nmkdir -p %{buildroot}\ncp -al ${source}/. %{buildroot}/`,
    ...rpmScripts(binary.scripts),
    '%files',
    ...ownFolders(name, files).map((path) => `%dir %attr(0755,root,root) /${path}`),
    ...files.map(({ path, mode }) => `%attr(${octal(mode)},root,root) ${kindOf(path)}/${path}`),
    '',
  ].join('\n');
}

function kindOf(path: string): string {
  return path.startsWith('usr/share/doc/') ? '%doc ' : '';
}

/** rpm: $1 is how many versions of the package there are when the script has run. */
function rpmScripts(scripts: MaintainerScripts): string[] {
  const { installed, configured, removing, removed } = scripts;
  const when = (count: string, commands: string) => `if [ "$1" ${count} ]; then\n${commands}\nfi`;
  return [
    `%post\n${when('= 1', installed)}\n${configured}`,
    `%preun\n${when('= 0', removing)}`,
    `%postun\n${removed}`,
  ];
}
