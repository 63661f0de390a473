/** Tarballs, for hosts without dpkg or rpm and for user data: the executable with its units and installer. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type PackageFile, placeFiles } from './contents.ts';

const run = promisify(execFile);

/** Equal content, equal bytes: no times, no names and no umask of this machine. */
const REPRODUCIBLE = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];

/** @returns tar's arguments for an archive of `names` in `folder`, the same on each machine */
export function tarArguments(
  archive: string,
  folder: string,
  seconds: number,
  names: readonly string[],
): string[] {
  return [
    ...REPRODUCIBLE,
    '--mode=u=rwX,go=rX',
    `--mtime=@${seconds}`,
    '-cf',
    archive,
    '-C',
    folder,
    ...names,
  ];
}

/**
 * @param name of the tarball, and of the folder in it
 * @returns the name of the file that it leaves in `out`
 */
export async function makeTarball(
  name: string,
  files: readonly PackageFile[],
  { work, out, seconds }: { work: string; out: string; seconds: number },
): Promise<string> {
  const folder = join(work, 'tar');
  await placeFiles(join(folder, name), files, seconds);
  const gzip = '--use-compress-program=gzip -n';
  await run('tar', [gzip, ...tarArguments(join(out, `${name}.tar.gz`), folder, seconds, [name])]);
  return `${name}.tar.gz`;
}

/** The files of a host folder, with the modes that they have in an installation. */
export function hostFiles(root: string, host: string): PackageFile[] {
  return readdirSync(join(root, host)).map((file) => ({
    path: file,
    mode: file.endsWith('.sh') ? 0o755 : 0o644,
    content: readFileSync(join(root, host, file), 'utf8'),
  }));
}
