/**
 * Standard output and standard error of both programs. Their readers may be gone (EPIPE) and their disks full (ENOSPC): the work goes on, and
 * the exit status says that its result was lost.
 */
import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { printableLines } from '#common/printable.ts';

/** As a shell reports a program that SIGPIPE has ended: 128 + 13. */
const READER_GONE = 141;
const FAILED = 1;

let lost: NodeJS.ErrnoException | undefined;

/** Prints what the command was started for: whatever hosts, CAs and manifests say, no terminal acts on it. */
export function writeResult(stream: Writable, text: string): boolean {
  return stream.write(printableLines(text), (error) => {
    lost ??= error ?? undefined;
  });
}

/** Prints what nobody waits for: a line of the log. The exit status is the same without it. */
export function writeNotice(stream: Writable, text: string): boolean {
  return stream.write(printableLines(text));
}

/** `JOURNAL_STREAM` names device and inode of the stream that the journal reads; redirected output goes elsewhere. */
export function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd);
    return journalStream === `${dev}:${ino}`;
  } catch {
    // Closed: nobody reads it.
    return false;
  }
}

/** Of syslog(3). */
const PRIORITIES = { error: 3, warn: 4, warning: 4, info: 6, debug: 7 } as const;
export type JournalLevel = keyof typeof PRIORITIES;

/** Each line begins with journald's priority (sd-daemon(3)), which `journalctl -p` goes by. */
export function withPriority(text: string, level: JournalLevel): string {
  return text.replaceAll(/^(?=.)/gm, `<${PRIORITIES[level]}>`);
}

/**
 * What Node and libraries tell programmers (a deprecation, an experimental module) is nothing that a user can act on.
 * `NODE_OPTIONS=--trace-warnings` shows it.
 */
function silenceWarnings(): void {
  const { execArgv, env } = process;
  const isWanted = [...execArgv, env['NODE_OPTIONS'] ?? ''].some((text) => text.includes('--trace-'));
  if (!isWanted) process.removeAllListeners('warning');
}

/** Once, before anything is written: a stream that fails ends nothing, and a result that was lost ends with a status of its own. */
export function guardStandardStreams(program: string): void {
  silenceWarnings();
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever wrote it was told by the callback.
    stream.on('error', () => undefined);
    if (isPlainFile(stream.fd)) writeWhole(stream, stream.fd);
  }
  process.on('exit', (status) => {
    if (lost === undefined) return;
    const isReaderGone = lost.code === 'EPIPE';
    const seen = lost.code ?? lost.message;
    if (!isReaderGone) complain(`${program}: the output could not be written: ${seen}\n`);
    if (status === 0) process.exitCode = isReaderGone ? READER_GONE : FAILED;
  });
}

function isPlainFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    // Closed: the first write says so.
    return false;
  }
}

/** Node writes once and does not look how much of it a disk that fills up has taken. */
function writeWhole(stream: Writable, fd: number): void {
  stream._write = (chunk: Buffer | string, encoding, done) => {
    try {
      let rest = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
      done();
    } catch (error) {
      done(error as Error);
    }
  };
}

function complain(text: string): void {
  try {
    writeSync(process.stderr.fd, text);
  } catch {
    // It goes where the output went: the exit status is all that is left.
  }
}
