// A terminal with somebody at it: script(1) gives the program a pty; the test reads what the screen shows, and types.

import { type ChildProcess, spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { until } from './process.ts';

/** What stands on the terminal, and what is typed then. */
export interface Reply {
  question: RegExp;
  keys: string;
}

export interface Terminal {
  /** All that was shown so far, with what was typed; lines end with \n. */
  screen(): string;
  /** With every movement of the cursor. */
  raw(): string;
  /** Waits for a question that was not answered yet, then types. @param keys `\r` is Enter, `\x03` Ctrl-C, `\x04` Ctrl-D */
  reply(question: RegExp, keys: string): Promise<void>;
  /** Answers these questions whenever they are asked, until the program ends. @returns its exit status */
  end(replies?: readonly Reply[]): Promise<number>;
  close(): void;
}

export interface TerminalOptions {
  env?: Record<string, string>;
  /** For one question, and for the end. */
  deadlineMs?: number;
}

/** Without colours and movements of the cursor; of a line that was written over, what stands at last. */
const plain = (text: string) =>
  stripVTControlCharacters(text)
    .replaceAll(/\r+\n/g, '\n')
    .replaceAll(/[^\n]*\r(?!$)/g, '');

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

export function openTerminal(command: readonly string[], options: TerminalOptions = {}): Terminal {
  const { env = process.env, deadlineMs = 30_000 } = options;
  const words = ['exec', ...command.map(quoted)].join(' ');
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', words, '/dev/null'], {
    env: { ...env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let shown = '';
  let answered = 0;
  const add = (chunk: string) => {
    shown += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', add);
  child.stderr.setEncoding('utf8').on('data', add);
  const ended = endOf(child);
  const isAsked = (question: RegExp) => question.test(plain(shown.slice(answered)));
  const type = (keys: string) => {
    answered = shown.length;
    child.stdin.write(keys);
  };
  return {
    screen: () => plain(shown),
    raw: () => shown,
    reply: async (question, keys) => {
      await until(
        async () => isAsked(question),
        () => (ended.status === undefined || isAsked(question) ? undefined : `exit status ${ended.status}`),
        deadlineMs,
      ).catch((cause: unknown) => {
        throw new Error(`${question} is not asked; the screen shows:\n${plain(shown)}`, { cause });
      });
      type(keys);
    },
    end: async (replies = []) => {
      const answer = async () => {
        for (const { question, keys } of replies) if (isAsked(question)) type(keys);
        return ended.status !== undefined;
      };
      await until(answer, () => undefined, deadlineMs).catch((cause: unknown) => {
        throw new Error(`it does not end; the screen shows:\n${plain(shown)}`, { cause });
      });
      return ended.status ?? -1;
    },
    close: () => {
      if (ended.status === undefined && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    },
  };
}

function endOf(child: ChildProcess): { status: number | undefined } {
  const end: { status: number | undefined } = { status: undefined };
  child.once('close', (status) => {
    end.status = status ?? -1;
  });
  return end;
}
