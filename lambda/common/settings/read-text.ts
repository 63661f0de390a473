/** A file of settings as a text: what is no such file at all is refused here, in words for whoever has named the wrong one. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ConfigError } from '#common/config-error.ts';

/** No configuration is larger: 3,000 certificates of 100 names each are 10 MB. */
const MAX_BYTES = 16 * 2 ** 20;

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file; "pemfleet init" writes one',
  EACCES:
    'it cannot be read: permission denied (EACCES); run the command as a user who may read it, or as root',
  EPERM: 'it cannot be read: permission denied (EPERM)',
  EISDIR: 'it is a directory; name the file in it',
  ENOTDIR: 'a part of its path is a file, not a directory',
  ELOOP: 'its symbolic links go in a circle',
  ENAMETOOLONG: 'its name is too long',
};

/**
 * Whatever is named: a file, a pipe of the shell (`<(…)`), never more than a configuration can be.
 * @throws ConfigError `ERR_CONFIG`
 */
export function readSettingsText(file: string): string {
  return decode(file, readBounded(file));
}

function readBounded(file: string): Buffer {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
    if (stat.isFile() && stat.size > MAX_BYTES) throw tooLarge(file, `${Math.round(stat.size / 2 ** 20)} MB`);
    return readAll(file, fd);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    const says = PROBLEMS[code] ?? `it cannot be read: ${code || message}`;
    throw new ConfigError('ERR_CONFIG', `${file}: ${says}`, { cause: error });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readAll(file: string, fd: number): Buffer {
  const parts: Buffer[] = [];
  for (let size = 0; size <= MAX_BYTES; ) {
    const part = Buffer.alloc(65_536);
    const count = readSync(fd, part);
    if (count === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, count));
    size += count;
  }
  throw tooLarge(file, `more than ${MAX_BYTES / 2 ** 20} MB`);
}

function tooLarge(file: string, size: string): ConfigError {
  const wanted = `wanted a configuration of at most ${MAX_BYTES / 2 ** 20} MB`;
  return new ConfigError('ERR_CONFIG', `${file}: ${wanted}, saw ${size}: is it the right file?`);
}

function decode(file: string, bytes: Buffer): string {
  const refuse = (says: string) => new ConfigError('ERR_CONFIG', `${file}: ${says}`);
  const [first, second, third, fourth] = bytes;
  const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  // Without its mark, a text of ASCII has a zero byte in each pair.
  const isBare = bytes.length >= 4 && (first === 0) !== (second === 0) && (third === 0) !== (fourth === 0);
  if (hasMark || isBare) throw refuse('it is UTF-16; save it as UTF-8');
  // Every text is YAML's; a zero byte is none's.
  const zero = bytes.indexOf(0);
  if (zero !== -1) {
    const line = bytes.subarray(0, zero).filter((byte) => byte === 10).length + 1;
    throw refuse(`it has a zero byte (line ${line}); wanted YAML: is it the right file?`);
  }
  try {
    // A byte order mark is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(`it is not UTF-8 (line ${lineOfBadByte(bytes)}); save it as UTF-8`);
  }
}

/** Lines are short: the first one that does not decode has the byte. */
function lineOfBadByte(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(10, start);
    const stop = end === -1 ? bytes.length : end + 1;
    const part = bytes.subarray(start, stop);
    if (!Buffer.from(part.toString('utf8')).equals(part)) return line;
    start = stop;
  }
  return line;
}
