/**
 * `hooks.proved`: the operator's program, once for each version of a certificate that handshakes have shown on this host, however it came
 * to be proved: by the pass that loaded it, after a reload, between polls, by the next process. What was told stands in the state directory.
 * One run for all that is new, without a shell, with facts in its environment and no key. What fails is run again at the next polls, three
 * times at most, and never fails a poll. A crash between the run and its record tells the same version once more.
 */
import { join } from 'node:path';
import { escapedJson } from '#common/printable.ts';
import { PROGRAM_PATH } from '#common/program/path.ts';
import { runBounded } from '#common/program/run-bounded.ts';
import { SECOND_MS } from '#common/time.ts';
import type { Agent, PassResult } from '../agent.ts';
import { errorFields } from '../pass/log-outcome.ts';
import { readProofs } from '../proof/document.ts';
import {
  forgetHandedOver,
  type HandedOver,
  handedKey,
  readHandedOver,
  saveHandedOver,
} from '../proof/handed-over.ts';
import type { KnownProofs } from '../proof/known.ts';
import { stateProblemOrThrow } from '../state/documents.ts';
import { readStateDirectory } from '../state/state.ts';

/** A certificate that a handshake has shown. */
interface ProvedFile {
  certificate: string;
  file: string;
  serial: string | undefined;
  binds: readonly string[];
}

interface WaitingFile {
  key: string;
  sha256: string;
  proved: ProvedFile;
  /** Of the run that is next, from 1. */
  run: number;
}

/** What the last pass has left, and handshakes between polls go on with. */
interface Shown {
  status: PassResult['status'];
  /** By name of the HAProxy; `undefined` where a host has only one. */
  hosts: ReadonlyMap<string | undefined, { certsDir: string; proofs: KnownProofs }>;
}

const MAX_RUNS = 3;
/** Of 10,000 at a first start, an environment would not hold the names: standard input has them all. */
const MAX_NAMED = 100;

export class ProvedHook {
  readonly #agent: Agent;
  #shown: Shown | undefined;
  /** As this process has read or written it the last time. */
  #told: HandedOver | undefined;
  /** Proved before this process: told, where nothing is recorded. */
  readonly #before: HandedOver;

  private constructor(agent: Agent, told: HandedOver | undefined, before: HandedOver) {
    this.#agent = agent;
    this.#told = told;
    this.#before = before;
  }

  /**
   * To be called before the first pass: what was proved before the program was configured, or before an upgrade to an agent that keeps a
   * record, is not told now.
   */
  static async open(agent: Agent): Promise<ProvedHook> {
    const { config, log } = agent;
    if (config.hooks.proved === undefined) {
      const problem = await forgetHandedOver(config.stateDir).catch(stateProblemOrThrow);
      if (problem !== undefined) log('state.failed', errorFields(problem));
      return new ProvedHook(agent, undefined, new Map());
    }
    const before = await provedSoFar(agent);
    const read = await readHandedOver(config.stateDir, log).catch(stateProblemOrThrow);
    if (read instanceof Error) return new ProvedHook(agent, undefined, before);
    if (read === undefined) await saveHandedOver(config.stateDir, before);
    return new ProvedHook(agent, read ?? before, before);
  }

  /**
   * A fault is logged and ends neither the loop nor a pass by hand: what they do for HAProxy does not depend on the program.
   * @param result of the pass that this poll has made, if it has made one
   * @returns when the program has ended, or its time is over
   */
  async run(result?: Pick<PassResult, 'status' | 'left'>): Promise<void> {
    await this.#tellNew(result).catch((error: unknown) => {
      this.#agent.log('run.failed', errorFields(error));
    });
  }

  async #tellNew(result?: Pick<PassResult, 'status' | 'left'>): Promise<void> {
    const { config, log } = this.#agent;
    const { proved: command } = config.hooks;
    if (command === undefined) return;
    if (result !== undefined) this.#shown = shownBy(result, this.#shown);
    const shown = this.#shown;
    if (shown === undefined || (this.#told && waitingIn(shown, this.#told).length === 0)) return;
    // Another process, as a pass by hand, may have told it meanwhile.
    const read = await readHandedOver(config.stateDir, log).catch(stateProblemOrThrow);
    // It may say that all of this was told: the status says that it cannot be read.
    if (read instanceof Error) return;
    const told = withoutGone(read ?? this.#told ?? this.#before, shown);
    this.#told = told;
    const waiting = waitingIn(shown, told);
    if (waiting.length === 0) return;
    // Before the run: a program that takes this process down with it is run three times, too.
    for (const { key, sha256, run } of waiting) told.set(key, { sha256, runs: run });
    await saveHandedOver(config.stateDir, told);
    const isWell = await this.#tell(command, waiting);
    const ended = waiting.filter(({ run }) => isWell || run >= MAX_RUNS);
    for (const { key, sha256 } of ended) told.set(key, { sha256 });
    if (ended.length > 0) await saveHandedOver(config.stateDir, told);
  }

  /** @returns whether it has ended well */
  async #tell(command: readonly string[], waiting: readonly WaitingFile[]): Promise<boolean> {
    const { config, log } = this.#agent;
    const proved = waiting.map((one) => one.proved);
    const count = proved.length;
    const end = await runBounded({
      command,
      env: environmentOf(config, proved),
      input: `${escapedJson({ version: 1, fleet: config.fleet, host: config.host, proved })}\n`,
      timeoutMs: config.hooks.timeoutSeconds * SECOND_MS,
    });
    for (const line of end.output) log('hook.output', { line });
    const run = Math.max(...waiting.map((one) => one.run));
    if (end.isWell) log('hook.done', { count });
    else log('hook.failed', { count, message: end.problem, run });
    return end.isWell;
  }
}

/** What the process before this one, perhaps of an older version, has proved. */
async function provedSoFar(agent: Agent): Promise<HandedOver> {
  const told: HandedOver = new Map();
  for (const { config, log, proofs } of agent.instances?.length ? agent.instances : [agent]) {
    const { state } = await readStateDirectory(config.stateDir, config, log);
    const known = proofs ?? (await readProofs(config.stateDir, log, state.files));
    for (const [file, one] of known.proofs.files) {
      if (one.proofs.size > 0) told.set(handedKey(config.haproxy.name, file), { sha256: one.sha256 });
    }
  }
  return told;
}

/** One of several HAProxy, whose pass has failed, stays as it was. */
function shownBy({ status, left }: Pick<PassResult, 'status' | 'left'>, before: Shown | undefined): Shown {
  const hosts = left.map(({ view: { config, proofs } }) => {
    const { name, certsDir } = config.haproxy;
    return [name, { certsDir, proofs }] as const;
  });
  return { status, hosts: new Map([...(before?.hosts ?? []), ...hosts]) };
}

function waitingIn({ status, hosts }: Shown, told: HandedOver): WaitingFile[] {
  return status.files.flatMap(({ instance, file, certificate, state, wanted }) => {
    const host = hosts.get(instance);
    const { sha256, serial } = wanted;
    if (host === undefined || state !== 'served' || !host.proofs.wasShown(file, sha256)) return [];
    const key = handedKey(instance, file);
    const before = told.get(key);
    const isSame = before?.sha256 === sha256;
    if (isSame && before.runs === undefined) return [];
    const binds = [...(host.proofs.of(file, sha256)?.proofs.keys() ?? [])];
    const proved = { certificate, file: join(host.certsDir, file), serial, binds };
    return [{ key, sha256, run: 1 + (isSame ? (before.runs ?? 0) : 0), proved }];
  });
}

/** Of files that are neither wanted nor proved any more, there is nothing left to tell. */
function withoutGone(told: HandedOver, { status, hosts }: Shown): HandedOver {
  const wanted = new Set(status.files.map(({ instance, file }) => handedKey(instance, file)));
  for (const [name, { proofs }] of hosts) {
    for (const file of proofs.proofs.files.keys()) wanted.add(handedKey(name, file));
  }
  return new Map([...told].filter(([key]) => wanted.has(key)));
}

function environmentOf(
  { fleet, host }: Agent['config'],
  files: readonly ProvedFile[],
): Record<string, string> {
  const first = files.slice(0, MAX_NAMED);
  const list = (values: readonly (string | undefined)[]) =>
    [...new Set(values.flatMap((one) => one ?? []))].join(' ');
  return {
    ...{ PATH: PROGRAM_PATH, LANG: 'C.UTF-8', PEMFLEET_FLEET: fleet, PEMFLEET_HOST: host },
    PEMFLEET_COUNT: String(files.length),
    PEMFLEET_CERTIFICATES: list(first.map(({ certificate }) => certificate)),
    PEMFLEET_FILES: list(first.map(({ file }) => file)),
    PEMFLEET_SERIALS: list(first.map(({ serial }) => serial)),
  };
}
