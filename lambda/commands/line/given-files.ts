/**
 * Files that the command line names are those of the user who types it. Root opens them before it goes on as another user, who may not even
 * enter the directory, and could not open a pipe of root's (`/dev/stdin`, `<(…)`) again.
 */
import {
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  rmSync,
} from 'node:fs';
import { BodyTooLarge, readBody } from '#common/bounded-body.ts';
import { ConfigError } from '#common/config-error.ts';

export interface GivenFiles {
  'recovery-key'?: string | undefined;
  'serial-file'?: string | undefined;
  'passphrase-file'?: string | undefined;
  'passphrase-fd'?: string | undefined;
  /** Operands that are files. */
  files?: readonly string[] | undefined;
  out?: string | undefined;
  'dry-run'?: boolean;
}

/** Names of the files that the program which has started this one has opened, from descriptor 3 on (`startAgainAs`). */
const VARIABLE = 'PEMFLEET_OPENED_FILES';
const handed = JSON.parse(process.env[VARIABLE] ?? '[]') as string[];
const opened = new Map(handed.map((file, index): [string, number] => [file, index + 3]));

/** @returns the descriptors. @throws ConfigError `ERR_CONFIG` */
export function openGivenFiles(values: GivenFiles): readonly number[] {
  const passphrase = passphraseFile(values);
  const named = [values['recovery-key'], values['serial-file'], passphrase, ...(values.files ?? [])];
  for (const file of new Set(named)) {
    if (file !== undefined && file !== '-') opened.set(file, openOr(file, constants.O_RDONLY));
  }
  if (values.out !== undefined && values['dry-run'] !== true) opened.set(values.out, openForKey(values.out));
  process.env[VARIABLE] = JSON.stringify([...opened.keys()]);
  return [...opened.values()];
}

/** That this program has made for a key. */
let madeForKey: { file: string; fd: number } | undefined;

/** Whoever was refused before there was a key leaves no file. */
export function removeEmptyOut(): void {
  if (madeForKey === undefined) return;
  const made = fstatSync(madeForKey.fd);
  const there = lstatSync(madeForKey.file, { throwIfNoEntry: false });
  // In another user's directory, its name may be another file's by now.
  const isSame = there !== undefined && there.ino === made.ino && there.dev === made.dev;
  if (made.size === 0 && isSame) rmSync(madeForKey.file);
}

/**
 * Empty until there is a key to write into it: a run that is killed before leaves it so, and the next one takes it. What is there already must be
 * the user's own, and becomes readable by nobody else, before a key comes into it.
 */
function openForKey(file: string): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    const fd = openSync(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    madeForKey = { file, fd };
    return fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotOpen(file, error);
  }
  const fd = openOr(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.nlink !== 1 || stat.uid !== process.getuid?.()) {
    closeSync(fd);
    throw new ConfigError(
      'ERR_CONFIG',
      `${file}: wanted a new file, saw one of another user, with a second name, or no regular file: name one that does not exist`,
    );
  }
  fchmodSync(fd, 0o600);
  return fd;
}

function openOr(file: string, flags: number): number {
  try {
    return openSync(file, flags);
  } catch (error) {
    throw cannotOpen(file, error);
  }
}

function cannotOpen(file: string, cause: unknown): ConfigError {
  const { code } = cause as NodeJS.ErrnoException;
  return new ConfigError('ERR_CONFIG', `${file}: cannot be opened (${code})`, { cause });
}

/** @returns the descriptor of a file that is open already */
export const givenFile = (file: string): number | undefined => opened.get(file);

/** The file that holds a passphrase; that of a descriptor is its name in /dev/fd. Both together are refused where the command begins. */
export function passphraseFile({
  'passphrase-file': file,
  'passphrase-fd': fd,
}: Pick<GivenFiles, 'passphrase-file' | 'passphrase-fd'>): string | undefined {
  return fd === undefined ? file : `/dev/fd/${fd}`;
}

/** @param file `-`: standard input. @throws ConfigError `ERR_CONFIG` */
export async function readGivenFile(file: string, maxBytes: number): Promise<Buffer> {
  const fd = opened.get(file);
  const stream = file === '-' ? process.stdin : createReadStream(file, fd === undefined ? {} : { fd });
  const name = file === '-' ? 'standard input' : file;
  try {
    return await readBody(stream, { maxBytes });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = cause instanceof BodyTooLarge ? cause.message : `cannot be read (${code})`;
    throw new ConfigError('ERR_CONFIG', `${name}: ${why}`, { cause });
  }
}
