/**
 * A program of the operator's: after publication, or whatever kind it is for. It gets facts in its environment, the notice as JSON on its
 * standard input, and nothing else: neither a key nor our credentials.
 */
import { escapedJson } from '#common/printable.ts';
import { runBounded } from '#common/program/run-bounded.ts';
import { SECOND_MS } from '#common/time.ts';
import type { NoticeChannel } from '../../deliver.ts';
import type { Notice } from '../../notice.ts';
import type { NoticeText } from '../../text.ts';
import { factsEnvironment } from './facts.ts';

export class ExecChannel implements NoticeChannel {
  readonly timeoutSeconds: number;
  readonly #command: readonly string[];
  readonly #onOutput: (line: string) => void;

  /** @param onOutput of each printable line that it says */
  constructor(command: readonly string[], timeoutSeconds: number, onOutput: (line: string) => void) {
    this.#command = command;
    this.timeoutSeconds = timeoutSeconds;
    this.#onOutput = onOutput;
  }

  async send(notice: Notice, text: NoticeText, signal: AbortSignal): Promise<string> {
    const end = await runBounded({
      command: this.#command,
      env: factsEnvironment(notice, text),
      input: `${escapedJson({ version: 1, ...notice, ...text })}\n`,
      timeoutMs: this.timeoutSeconds * SECOND_MS,
      signal,
    });
    for (const line of end.output) this.#onOutput(line);
    if (end.isWell) return 'exit status 0';
    throw new Error(`${this.#command[0]}: ${[end.problem, end.output.at(-1)].filter(Boolean).join(': ')}`);
  }
}
