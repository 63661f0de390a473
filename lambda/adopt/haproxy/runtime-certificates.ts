/**
 * What the HAProxy that runs serves, asked at its stats socket: `show ssl cert`, and from 3.2 on `dump ssl cert`, which shows the key, too
 * (management guide, "9.3. Unix Socket commands"). A certificate that somebody has loaded at run time stands in no file.
 */
import { connect } from 'node:net';

const TIMEOUT_MS = 5_000;
const MAX_ANSWER = 20_000_000;

export class RuntimeCertificates {
  readonly #socket: string;

  /** @param socket of level admin */
  constructor(socket: string) {
    this.#socket = socket;
  }

  /** @returns names, as HAProxy has them; undefined: nobody answers there */
  async names(): Promise<string[] | undefined> {
    const answer = await this.#ask('show ssl cert');
    const lines = answer?.split('\n').map((line) => line.trim());
    return lines?.filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('*'));
  }

  /** @returns the serial number that HAProxy serves, in upper-case hexadecimal; undefined: it has none of this name */
  async servedSerial(name: string): Promise<string | undefined> {
    const answer = (await this.#ask(`show ssl cert ${escapedName(name)}`)) ?? '';
    const [, serial] = /^Serial: ([0-9A-F]+)$/m.exec(answer) ?? [];
    return /^Status: Used$/m.test(answer) ? serial : undefined;
  }

  /** @returns certificates and key; undefined: this HAProxy does not show them */
  async dump(name: string): Promise<string | undefined> {
    const answer = await this.#ask(`dump ssl cert ${escapedName(name)}`);
    return answer?.includes('PRIVATE KEY-----') ? answer : undefined;
  }

  #ask(command: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const connection = connect(this.#socket, () => connection.end(`${command}\n`));
      let answer = '';
      let isBroken = false;
      const breakOff = () => {
        isBroken = true;
        connection.destroy();
      };
      connection.setTimeout(TIMEOUT_MS, breakOff);
      connection.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
        if (answer.length > MAX_ANSWER) breakOff();
      });
      // The caller says that nobody answers.
      connection.on('error', () => {
        isBroken = true;
      });
      connection.once('close', () => resolve(isBroken ? undefined : answer));
    });
  }
}

const escapedName = (name: string) => name.replaceAll(/[\\ ;]/g, '\\$&');
