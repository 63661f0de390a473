/**
 * The Runtime API's certificate commands, typed, each with an exact check of its answer (measured on 2.6, 3.0
 * and 3.2). There is one transaction per process; it survives its client, and any client may commit it. So only
 * "created" is accepted, and any other open transaction is aborted, never committed.
 */

import { codeOf } from '#contract/errors.ts';
import type { RuntimeCommandFailed } from '../errors.ts';
import {
  type CertificateStatus,
  type CrtListEntry,
  type ProcessState,
  parseAcme,
  parseCrtListEntries,
  parseNames,
  parseProcess,
} from './answers.ts';
import { breaksLock, fillUp } from './capabilities.ts';
import { crtListLine } from './crt-list-line.ts';
import { BROKEN, BUSY, holderIn, isLocked, LOCK_WAITS_MS } from './lock.ts';
import { portionsOf, showing } from './showing.ts';
import type { Answer, FirstAnswer, RuntimeCommand, RuntimeSocket } from './socket.ts';
import {
  certificateIn,
  failed,
  foreignTransactionIn,
  forItsSize,
  isInUse,
  isSuccess,
  reasonIn,
  refusedPayload,
} from './verdict.ts';

/** 3.x; 2.8: `Incompatibilities found in OCSP update mode for certificate …`. */
const OTHER_PARAMETERS = /incompatible parameters|Incompatibilities found in OCSP update mode/;

export class Runtime {
  readonly #socket: RuntimeSocket;
  readonly #sleep: (ms: number) => Promise<void>;
  #breaksLock = false;
  /** Of the process whose lock is broken: it is not waited for again. */
  #pid: number | undefined;
  #brokenPid: number | undefined;

  constructor(socket: RuntimeSocket, sleep: (ms: number) => Promise<void>) {
    this.#socket = socket;
    this.#sleep = sleep;
  }

  async showInfo(): Promise<ProcessState> {
    const command = { verb: 'show info' };
    const answer = await this.#ask(command);
    const state = parseProcess(answer.text);
    if (state === undefined) throw failed('ERR_RUNTIME_ANSWER', command, answer);
    this.#pid = state.pid;
    this.#breaksLock = breaksLock(state.version);
    return state;
  }

  /** `undefined`: HAProxy holds no such file. */
  async showCertificate(filename: string): Promise<CertificateStatus | undefined> {
    const command = showing(filename);
    const answer = await this.#ask(command);
    const shown = certificateIn(answer, filename);
    if (shown === 'unclear') throw failed('ERR_RUNTIME_ANSWER', command, answer);
    return shown;
  }

  /** Reads many on one connection: 10,000 connections would cost more than the answers. */
  async showCertificates(filenames: readonly string[]): Promise<Map<string, CertificateStatus | undefined>> {
    const shown = new Map<string, CertificateStatus | undefined>();
    for (const some of portionsOf(filenames)) {
      const [first = '', ...others] = some;
      const answer = await this.#ask(showing(first), ...others.map(showing));
      const answers = [answer, ...answer.next];
      for (const [index, filename] of some.entries()) {
        shown.set(filename, await this.#shownAmong(answers, index, some));
      }
    }
    return shown;
  }

  /** HAProxy holds its lock while it lists them all: `showCertificate` costs less where one is meant. */
  async showCertificateNames(): Promise<string[]> {
    const names = parseNames((await this.#ask({ verb: 'show ssl cert' })).text);
    // `*…`: an open transaction
    return names.filter((name) => !name.startsWith('*'));
  }

  /** Names of all crt-lists; a `crt` directory is one, named as in the configuration. */
  async showCrtLists(): Promise<string[]> {
    return parseNames((await this.#ask({ verb: 'show ssl crt-list' })).text);
  }

  /** Entries by filename; a crt-list file may hold several for one. */
  async showCrtList(crtList: string): Promise<Map<string, CrtListEntry[]>> {
    const command = { verb: 'show ssl crt-list', operands: ['-n', crtList] };
    const answer = await this.#ask(command);
    if (answer.severity !== undefined) throw failed('ERR_RUNTIME_CRT_LIST', command, answer);
    return parseCrtListEntries(answer.text);
  }

  /** All names that HAProxy serves, with their files (3.2 and later): cheap, but without serial number and fingerprint. */
  async showSni(): Promise<string> {
    return (await this.#ask({ verb: 'show ssl sni' })).text;
  }

  /** Certificates that HAProxy itself issues (its `acme` sections, since 3.2), each with its section; none before that. */
  async showAcme(): Promise<Map<string, string>> {
    try {
      return parseAcme((await this.#ask({ verb: 'acme status' })).text);
    } catch (error) {
      // Built without it.
      if (codeOf(error) !== 'ERR_RUNTIME_UNSUPPORTED') throw error;
      return new Map();
    }
  }

  async newCertificate(filename: string): Promise<'created' | 'exists'> {
    const command = { verb: 'new ssl cert', operands: [filename] };
    await this.#spareLock(filename);
    const answer = await this.#ask(command);
    if (answer.text === `Certificate '${filename}' already exists!`) return 'exists';
    if (answer.text === `New empty certificate store '${filename}'!`) return 'created';
    throw failed('ERR_RUNTIME_REFUSED', command, answer);
  }

  /** Opens a transaction. @throws `ERR_RUNTIME_FOREIGN_TRANSACTION` after aborting the one in the way */
  async setCertificate(filename: string, pem: string, maxBytes: number): Promise<void> {
    await this.#spareLock(filename);
    const payload = fillUp(pem, filename, maxBytes);
    const command = { verb: 'set ssl cert', operands: [filename], payload, maxBytes };
    const answer = await this.#ask(command).catch((error: unknown) => {
      throw forItsSize(error, command);
    });
    if (answer.text === `Transaction created for certificate ${filename}!`) return;
    const foreign = foreignTransactionIn(answer.text);
    if (foreign === undefined) throw refusedPayload(command, answer);
    await this.#ask({ verb: 'abort ssl cert', operands: [foreign] });
    const detail = 'another program is at work: aborted its transaction';
    throw failed('ERR_RUNTIME_FOREIGN_TRANSACTION', command, answer, detail);
  }

  /** Goes into the open transaction. HAProxy examines the response only at the commit. */
  async setStaple(filename: string, staple: Buffer, maxBytes: number): Promise<void> {
    await this.#spareLock(filename);
    const payload = `${staple.toString('base64')}\n`;
    const command = { verb: 'set ssl cert', operands: [`${filename}.ocsp`], payload, maxBytes };
    const answer = await this.#ask(command);
    if (answer.text === `Transaction updated for certificate ${filename}!`) return;
    const isGone = /^Transaction created|ongoing transaction/.test(answer.text);
    throw failed(isGone ? 'ERR_RUNTIME_FOREIGN_TRANSACTION' : 'ERR_RUNTIME_REFUSED', command, answer);
  }

  /**
   * @returns what HAProxy then shows
   * @throws `ERR_RUNTIME_FOREIGN_TRANSACTION` if ours is no longer the open one
   */
  async commitCertificate(filename: string): Promise<CertificateStatus | undefined> {
    const command = { verb: 'commit ssl cert', operands: [filename] };
    const answer = await this.#ask(command, showing(filename));
    if (isSuccess(answer)) return this.#shownAmong(answer.next, 0, [filename]);
    const isGone = foreignTransactionIn(answer.text) ?? /^No ongoing transaction/.test(answer.text);
    const code = isGone ? 'ERR_RUNTIME_FOREIGN_TRANSACTION' : 'ERR_RUNTIME_REFUSED';
    throw failed(code, command, answer, reasonIn(answer));
  }

  /**
   * Ends the open transaction, if there is one. On 2.6 a `set` while one is open would put our key into it.
   * @returns the file it was about
   */
  async abortAnyTransaction(filename: string): Promise<string | undefined> {
    const abort = async (name: string) =>
      (await this.#ask({ verb: 'abort ssl cert', operands: [name] })).text;
    const text = await abort(filename);
    if (text === `Transaction aborted for certificate '${filename}'!`) return filename;
    const other = foreignTransactionIn(text);
    if (other !== undefined) await abort(other);
    return other;
  }

  /**
   * @param tail options and filters; HAProxy refuses any for a directory
   * @returns what HAProxy then shows
   */
  async addToCrtList(crtList: string, filename: string, tail = ''): Promise<CertificateStatus | undefined> {
    const request = { verb: 'add ssl crt-list', operands: [crtList, filename] };
    const line = { ...request, operands: [crtList], payload: `${crtListLine(filename, tail)}\n` };
    const answer = await (tail === '' ? this.#ask(request, showing(filename)) : this.#ask(line));
    const isThere = answer.text.endsWith('file already exists in this directory!');
    if (isThere || isSuccess(answer)) return this.#shownAmong(answer.next, 0, [filename]);
    // Such as "ocsp-update", which belongs to the file: only a reload can change it.
    const isForReload = OTHER_PARAMETERS.test(answer.text);
    const code = isForReload ? 'ERR_RUNTIME_CRT_LIST' : 'ERR_RUNTIME_REFUSED';
    throw failed(code, request, answer, reasonIn(answer));
  }

  /** @param line of the entry, where the file has several */
  async deleteFromCrtList(crtList: string, filename: string, line?: number): Promise<void> {
    const operand = line === undefined ? filename : `${filename}:${line}`;
    const command = { verb: 'del ssl crt-list', operands: [crtList, operand] };
    await this.#expect(command, `Entry '${filename}' deleted in crtlist '${crtList}'!`);
  }

  /** May hold secrets: not to be kept. Empty where HAProxy does not show it. */
  async showEnvironment(): Promise<Record<string, string>> {
    const lines = (await this.#ask({ verb: 'show env' })).text.split('\n');
    const pairs = lines.map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]);
    return Object.fromEntries(pairs);
  }

  async deleteCertificate(filename: string): Promise<void> {
    await this.#expect({ verb: 'del ssl cert', operands: [filename] }, `Certificate '${filename}' deleted!`);
  }

  /** Where HAProxy has cut off a description, no answer of the line can be attributed: each is read alone. */
  async #shownAmong(answers: readonly Answer[], index: number, filenames: readonly string[]) {
    const filename = filenames[index] ?? '';
    const isWhole = answers.length === filenames.length;
    const shown = isWhole ? certificateIn(answers[index], filename) : 'unclear';
    return shown === 'unclear' ? this.showCertificate(filename) : shown;
  }

  /** Waits for the lock with a command that cannot break it. */
  async #spareLock(filename: string): Promise<void> {
    if (this.#breaksLock) await this.#ask(showing(filename));
  }

  /** Repeats the line while HAProxy's lock refuses its first command. */
  async #ask(command: RuntimeCommand, ...next: RuntimeCommand[]): Promise<FirstAnswer> {
    const isBroken = this.#brokenPid !== undefined && this.#brokenPid === this.#pid;
    for (const waitMs of isBroken ? [] : LOCK_WAITS_MS) {
      const answer = await this.#socket(command, ...next);
      if (!isLocked(answer)) return answer;
      await this.#sleep(waitMs);
    }
    const answer = await this.#socket(command, ...next);
    if (isLocked(answer)) throw await this.#lockedOut(command, answer);
    return answer;
  }

  async #lockedOut(command: RuntimeCommand, answer: Answer): Promise<RuntimeCommandFailed> {
    const unknown = () => ({ text: '' });
    const holder = holderIn((await this.#socket({ verb: 'show sess' }).catch(unknown)).text);
    if (holder !== undefined) return failed('ERR_RUNTIME_LOCKED', command, answer, holder);
    if (!this.#breaksLock) return failed('ERR_RUNTIME_LOCKED', command, answer, BUSY);
    this.#brokenPid = this.#pid;
    return failed('ERR_RUNTIME_LOCK_BROKEN', command, answer, BROKEN);
  }

  /** For commands whose answer is one line that says in full what HAProxy did. */
  async #expect(command: RuntimeCommand, wanted: string): Promise<void> {
    const answer = await this.#ask(command);
    if (answer.text === wanted) return;
    throw failed(isInUse(answer) ? 'ERR_RUNTIME_IN_USE' : 'ERR_RUNTIME_REFUSED', command, answer);
  }
}
