/** `pemfleet status --html FILE`: the page as a file. */
import { ftruncateSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import { givenFile } from '../line/given-files.ts';

/** As a shell's redirection would make it. */
const modeOfNew = () => 0o666 & ~process.umask();

/**
 * Whole, or not at all: who reads the file sees the page before, or this one. What is no regular file (`/dev/stdout`), or was opened by root
 * for us, is written in its place. @throws ConfigError `ERR_CONFIG`
 */
export async function writePageFile(file: string, page: string): Promise<void> {
  try {
    const fd = givenFile(file);
    if (fd !== undefined) return writeOpened(fd, page);
    const old = statSync(resolve(file), { throwIfNoEntry: false });
    if (old !== undefined && !old.isFile()) return writeFileSync(file, page);
    await replaceFile(resolve(file), page, { mode: old === undefined ? modeOfNew() : old.mode & 0o777 });
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

function writeOpened(fd: number, page: string): void {
  ftruncateSync(fd, 0);
  writeFileSync(fd, page);
}
