/** The passphrase of what is encrypted: from a file, a descriptor or a terminal. Never from the command line, which everybody on the machine can read. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { printToStderr } from '../command.ts';
import { Interrupted, isTerminal } from '../init/ask.ts';
import { passphraseFile, readGivenFile } from '../line/given-files.ts';
import { type CommandValues, UsageError } from '../line/options.ts';

const MAX_PASSPHRASE_BYTES = 4096;

/** @returns asks once: all files of one import have the same. @throws UsageError */
export function passphraseSource(values: CommandValues): (file: string) => Promise<string | undefined> {
  const { 'passphrase-file': named, 'passphrase-fd': fd } = values;
  if (named !== undefined && fd !== undefined)
    throw new UsageError('wanted --passphrase-file or --passphrase-fd, saw both');
  if (fd !== undefined && !/^\d{1,4}$/.test(fd)) {
    throw new UsageError(`--passphrase-fd wants the number of a descriptor, saw ${fd}`);
  }
  let answer: Promise<string | undefined> | undefined;
  return (file) => {
    answer ??= passphraseFor(file, passphraseFile(values));
    return answer;
  };
}

async function passphraseFor(file: string, from: string | undefined): Promise<string | undefined> {
  if (from !== undefined) return firstLine(await readGivenFile(from, MAX_PASSPHRASE_BYTES));
  return isTerminal() ? askSecret(`passphrase of ${file}`) : undefined;
}

/** As OpenSSL's `-passin file:` has it: an editor puts a line feed at the end. */
function firstLine(body: Buffer): string {
  return body.toString('utf8').split(/\r?\n/)[0] ?? '';
}

/** Without echo. @returns what was typed, spaces at its ends included. @throws Interrupted */
async function askSecret(question: string): Promise<string> {
  printToStderr(`${question}: `);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  const closed = new Promise<never>((_resolve, reject) => {
    terminal.once('close', () => reject(new Interrupted('interrupted: nothing was changed')));
  });
  try {
    return await Promise.race([terminal.question(''), closed]);
  } finally {
    terminal.close();
    printToStderr('\n');
  }
}
