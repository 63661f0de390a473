/** The terminal as one page that is drawn again: its other screen, without a cursor, and given back whatever ends the program. */
import type { ReadStream, WriteStream } from 'node:tty';

const [ENTER, LEAVE] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'];
const [HOME, END_OF_LINE, END_OF_SCREEN] = ['\x1b[H', '\x1b[K', '\x1b[J'];
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const [CTRL_C, CTRL_D] = ['\u0003', '\u0004'];

export class Screen {
  readonly #output: WriteStream;
  readonly #input: ReadStream;
  /** Aborted: somebody has ended it. */
  readonly #ended = new AbortController();
  #isOpen = false;
  readonly #leave = () => this.close();
  readonly #end = (signal: NodeJS.Signals) => this.#endBy(signal);
  #resume: () => void = () => undefined;

  constructor(output: WriteStream, input: ReadStream) {
    this.#output = output;
    this.#input = input;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** @param redraw when the terminal has another size, or comes back from the shell */
  open(redraw: () => void): void {
    this.#isOpen = true;
    process.once('exit', this.#leave);
    for (const signal of ENDING_SIGNALS) process.once(signal, this.#end);
    this.#output.on('resize', redraw);
    this.#resume = () => {
      this.#output.write(ENTER);
      redraw();
    };
    process.on('SIGCONT', this.#resume);
    if (this.#input.isTTY) {
      this.#input.setRawMode(true);
      this.#input.on('data', (keys: Buffer) => this.#take(keys.toString()));
    }
    this.#output.write(ENTER);
  }

  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    this.#output.write(`${HOME}${lines.map((line) => `${line}${END_OF_LINE}`).join('\r\n')}${END_OF_SCREEN}`);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#leave).off('SIGCONT', this.#resume);
    for (const signal of ENDING_SIGNALS) process.off(signal, this.#end);
    if (this.#input.isTTY) this.#input.setRawMode(false).pause();
    this.#output.write(LEAVE);
  }

  #take(keys: string): void {
    if (keys === 'q' || keys === CTRL_C || keys === CTRL_D) this.#ended.abort();
  }

  /** Ctrl-C of another terminal, or a session that ends: the program ends by the same signal, as others do. */
  #endBy(signal: NodeJS.Signals): void {
    this.close();
    if (signal === 'SIGINT') this.#ended.abort();
    else process.kill(process.pid, signal);
  }
}
