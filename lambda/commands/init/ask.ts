/** Questions on a terminal. Where nobody sits at one, flags answer, and nothing waits. */
import { createInterface } from 'node:readline/promises';
import { printable } from '#common/printable.ts';

export const isTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** @returns the answer, or `fallback` for an empty line */
export async function askText(question: string, fallback = ''): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const shown = fallback === '' ? '' : ` [${printable(fallback)}]`;
    const answer = (await terminal.question(`${question}${shown}: `)).trim();
    return answer === '' ? fallback : answer;
  } finally {
    terminal.close();
  }
}

export async function askYes(question: string, isDefault: boolean): Promise<boolean> {
  const answer = await askText(`${question} ${isDefault ? '[Y/n]' : '[y/N]'}`);
  return answer === '' ? isDefault : /^y(es)?$/i.test(answer);
}
