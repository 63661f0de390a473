/** Questions on a terminal. Where nobody sits at one, flags answer, and nothing waits. */
import { createInterface } from 'node:readline';
import { printable } from '#common/printable.ts';
import { printToStderr } from '../command.ts';
import { UsageError } from '../line/options.ts';

export const isTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Whoever was asked has ended the command in place of an answer. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

const END_OF_INPUT = new UsageError('the input ended before an answer: nothing was changed');

/** Pasted with an earlier answer. */
const typedAhead: string[] = [];

/**
 * Asks until `read` takes the answer; what it wants instead is told.
 * @param fallback the answer for an empty line
 * @throws Interrupted, UsageError at the end of input
 */
export async function askUntil<T>(
  question: string,
  fallback: string,
  read: (answer: string) => T,
): Promise<T> {
  for (;;) {
    const answer = (await lineOf(`${question}: `)).trim();
    try {
      return read(answer === '' ? fallback : answer);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      printToStderr(`${printable(error.message)}\n`);
      typedAhead.length = 0;
    }
  }
}

export function askYes(question: string, isDefault: boolean): Promise<boolean> {
  return askUntil(`${question} ${isDefault ? '[Y/n]' : '[y/N]'}`, isDefault ? 'y' : 'n', (answer) => {
    if (/^(y(es)?|no?)$/i.test(answer)) return /^y/i.test(answer);
    throw new UsageError(`wanted y or n, saw ${answer}`);
  });
}

function lineOf(prompt: string): Promise<string> {
  const early = typedAhead.shift();
  if (early !== undefined) {
    printToStderr(`${prompt}${printable(early)}\n`);
    return Promise.resolve(early);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt });
  return new Promise((resolve, reject) => {
    let answer: string | undefined;
    let isInterrupted = false;
    terminal.on('SIGINT', () => {
      isInterrupted = true;
      terminal.close();
    });
    terminal.on('line', (line) => {
      if (answer !== undefined) typedAhead.push(line);
      // The rest of what came with it is read first.
      else setImmediate(() => terminal.close());
      answer ??= line;
    });
    terminal.once('close', () => {
      const why = isInterrupted ? new Interrupted('interrupted: nothing was changed') : END_OF_INPUT;
      if (isInterrupted || answer === undefined) reject(why);
      else resolve(answer);
    });
    terminal.prompt();
  });
}
