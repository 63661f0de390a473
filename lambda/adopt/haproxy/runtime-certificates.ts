/**
 * What the HAProxy that runs serves, asked at its stats socket: `show ssl cert`, and from 3.2 on `dump ssl cert`, which shows the key, too
 * (management guide, "9.3. Unix Socket commands"). A certificate that somebody has loaded at run time stands in no file.
 */
import { connect } from 'node:net';
import { printable } from '#common/printable.ts';
import { messageOf } from '#contract/errors.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';

const TIMEOUT_MS = 5_000;
const MAX_ANSWER = 20_000_000;
const MAX_QUOTED = 100;

/** HAProxy has not answered, or with something else. */
export class HaproxySilent extends Unplannable {
  override name = 'HaproxySilent';

  /** What was wanted and seen. */
  readonly facts: string;

  constructor(wanted: string, saw: string) {
    const facts = `wanted ${wanted}, saw ${saw}`;
    super(
      `${facts}: see that HAProxy runs with this configuration and that this user gets to its socket, then adopt again; nothing was changed`,
    );
    this.facts = facts;
  }
}

/** Each answer that is missing, cut off or of another form is an error: what HAProxy has not said, its files do not say either. */
export class RuntimeCertificates {
  readonly #socket: string;

  /** @param socket of level admin */
  constructor(socket: string) {
    this.#socket = socket;
  }

  /** @returns names, as HAProxy has them. @throws HaproxySilent */
  async names(): Promise<string[]> {
    const command = 'show ssl cert';
    const lines = (await this.#ask(command)).split('\n').map((line) => line.trim());
    if (!lines.includes('# filename')) throw this.#misanswered(command, `"${quotable(lines)}"`);
    return lines.filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('*'));
  }

  /**
   * @param name one of `names()`
   * @returns the serial number that HAProxy serves, in upper-case hexadecimal; undefined: no bind of HAProxy has it
   * @throws HaproxySilent
   */
  async servedSerial(name: string): Promise<string | undefined> {
    const command = `show ssl cert ${escapedName(name)}`;
    const answer = await this.#ask(command);
    const [, status] = /^Status: (.+)$/m.exec(answer) ?? [];
    const [, serial] = /^Serial: ([0-9A-F]+)$/m.exec(answer) ?? [];
    if (status !== undefined && status !== 'Used') return undefined;
    if (status === undefined || serial === undefined) {
      throw this.#misanswered(command, `"${quotable(answer.split('\n'))}"`);
    }
    return serial;
  }

  /** @returns certificates and key; undefined: this HAProxy does not show them. @throws HaproxySilent */
  async dump(name: string): Promise<string | undefined> {
    const answer = await this.#ask(`dump ssl cert ${escapedName(name)}`);
    return answer.includes('PRIVATE KEY-----') ? answer : undefined;
  }

  #ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const refuse = (saw: string) => {
        connection.destroy();
        reject(this.#misanswered(command, saw));
      };
      const connection = connect(this.#socket, () => connection.end(`${command}\n`));
      let answer = '';
      connection.setTimeout(TIMEOUT_MS, () => refuse(`none within ${TIMEOUT_MS} ms`));
      connection.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
        if (answer.length > MAX_ANSWER) refuse(`more than ${MAX_ANSWER} bytes`);
      });
      connection.on('error', (error) => refuse(messageOf(error)));
      // An empty line ends an answer.
      connection.once('close', () =>
        answer.endsWith('\n\n') ? resolve(answer) : refuse('one that is cut off'),
      );
    });
  }

  #misanswered(command: string, saw: string): HaproxySilent {
    return new HaproxySilent(`HAProxy's answer to "${command}" at its stats socket ${this.#socket}`, saw);
  }
}

const escapedName = (name: string) => name.replaceAll(/[\\ ;]/g, '\\$&');

/** Of an answer that shows no key. */
const quotable = (lines: readonly string[]) =>
  printable(lines.find((line) => line !== '') ?? '').slice(0, MAX_QUOTED);
