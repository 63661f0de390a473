/** `pemfleet status --html FILE`: the page as a file. */
import { lstatSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { replaceFile } from '#storage/atomic-file.ts';

/** As a shell's redirection would make it. */
const modeOfNew = () => 0o666 & ~process.umask();

/**
 * Whole, or not at all: who reads the file sees the page before, or this one. What is no regular file is written in its place: `/dev/stdout`
 * is a link, and stays one. @throws ConfigError `ERR_CONFIG`
 */
export async function writePageFile(file: string, page: string): Promise<void> {
  try {
    const old = lstatSync(resolve(file), { throwIfNoEntry: false });
    if (old === undefined) return await replaceFile(resolve(file), page, { mode: modeOfNew() });
    if (!old.isFile()) return writeFileSync(file, page);
    // Whose it was he keeps: root may write the page that a web server of another user shows.
    const { uid, gid } = old;
    const owner = process.geteuid?.() === 0 ? { uid, gid } : {};
    await replaceFile(resolve(file), page, { mode: old.mode & 0o777, ...owner });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      'ERR_CONFIG',
      `--html ${file}: cannot be written (${code}): name a file in a directory that is yours`,
      {
        cause: error,
      },
    );
  }
}
