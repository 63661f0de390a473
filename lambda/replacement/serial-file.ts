/**
 * A file of serial numbers, as CAs publish them when they revoke: one in each line, in hexadecimal, whatever else the line has behind it. It
 * may have millions of lines, of which few are ours.
 */
import { createReadStream } from 'node:fs';
import { ConfigError } from '#common/config-error.ts';
import { bareSerial } from './covered.ts';

/** Characters of a line: a list of names may follow the serial. */
const MAX_LINE = 65_536;

export interface SerialFile {
  /** Those that the caller knows. */
  ours: ReadonlySet<string>;
  /** Lines with a serial. */
  all: number;
  /** Serials that the caller does not know, the first few. */
  others: readonly string[];
}

const MAX_OTHERS = 5;

/**
 * @param known without leading zeros (`bareSerial`)
 * @param fd of the file, where it is open already
 * @throws ConfigError for a file that cannot be read, or is no list of serials
 */
export async function readSerialFile(
  file: string,
  known: ReadonlySet<string>,
  fd?: number,
): Promise<SerialFile> {
  const found = { ours: new Set<string>(), all: 0, others: [] as string[] };
  let number = 0;
  try {
    for await (const line of linesOf(file, fd)) {
      number += 1;
      const serial = serialOf(line);
      if (serial === 'none') continue;
      if (serial === undefined) throw notSerial(file, number);
      found.all += 1;
      if (known.has(serial)) found.ours.add(serial);
      else if (found.others.length < MAX_OTHERS) found.others.push(serial);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof ConfigError || code === undefined) throw error;
    throw new ConfigError('ERR_CONFIG', `no list of serials at ${file}: ${message}`, { cause: error });
  }
  if (found.all === 0) throw new ConfigError('ERR_CONFIG', `${file} has no serial: wanted one in each line`);
  return found;
}

function notSerial(file: string, number: number): ConfigError {
  const says = 'wanted a serial number in hexadecimal at its beginning, such as 03A1B2… or 03:a1:b2:…';
  return new ConfigError('ERR_CONFIG', `${file}, line ${number}: ${says}`);
}

/** @returns `none` for an empty line or a comment, undefined for what is no serial */
function serialOf(line: string): string | 'none' | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return 'none';
  const [first = ''] = text.split(/[\s,;"']+/).filter((word) => word !== '');
  const digits = first.replace(/^(?:serial=)?(?:0x)?/i, '').replaceAll(':', '');
  return /^[0-9a-f]{1,40}$/i.test(digits) ? bareSerial(digits.toUpperCase()) : undefined;
}

async function* linesOf(file: string, fd: number | undefined): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', ...(fd !== undefined && { fd }) })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > MAX_LINE)
      throw new ConfigError('ERR_CONFIG', `${file} has a line of more than ${MAX_LINE} characters`);
  }
  yield rest;
}
