/**
 * Makes handshakes between polls, evenly spread and without the lock of a pass, so that what is served now was shown a short while ago.
 * It changes nothing: where the wire shows something else, it asks for a pass, which looks again and names it.
 */
import { MINUTE_MS } from '#common/time.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import type { Agent, PassResult } from '../agent.ts';
import { isOfDesired } from '../deploy/action.ts';
import { handshakesOf, proveFile } from '../deploy/prove.ts';
import type { DesiredFile } from '../desired/files.ts';
import { pidIn } from '../pass/instances.ts';
import { readProofs, saveProofs } from '../proof/document.ts';
import type { KnownProofs } from '../proof/known.ts';
import { ProofPace } from '../proof/pace.ts';
import { pauseBefore, type RoundEntry, roundOf } from '../proof/round.ts';
import { readStateDirectory } from '../state/state.ts';

/** Of one HAProxy. */
export type ProvingAgent = Agent & { proofs: KnownProofs };

interface Target extends RoundEntry {
  agent: ProvingAgent;
  desired: DesiredFile;
}

/** Where nothing is to be proved. */
const IDLE_MS = MINUTE_MS;
/** A process that is killed loses a tenth of a span at most. */
const SAVED_PARTS = 10;

/** @returns the same agent, which remembers what handshakes have shown from one pass to the next; the first pass makes those of an agent before it again */
export async function withProofs(agent: Agent): Promise<Agent> {
  const pace = new ProofPace();
  const open = async (one: Agent): Promise<ProvingAgent> => {
    const { stateDir } = one.config;
    const { state } = await readStateDirectory(stateDir, one.config, one.log);
    const proofs = await readProofs(stateDir, one.log, state.files);
    proofs.pace = pace;
    proofs.inherit();
    return { ...one, proofs };
  };
  if (!agent.instances?.length) return open(agent);
  return { ...agent, instances: await Promise.all(agent.instances.map(open)) };
}

export interface ProverOptions {
  /** Resolves after `ms`; earlier when `wake` is called, or at the end. */
  sleep: (ms: number) => Promise<void>;
  /** Ends the sleep that is under way. */
  wake: () => void;
  /** Asks for a poll now. */
  askForPoll: () => void;
  /** Processor time of this process so far. Absent: it is not measured, the pace stays what it is on an idle machine. */
  cpuMs?: () => number;
}

export class Prover {
  readonly #agents: readonly ProvingAgent[];
  readonly #options: ProverOptions;
  readonly #now: () => Date;
  readonly #cpuMs: () => number;
  readonly #pace: ProofPace;
  #round: Target[] = [];
  #targets: Target[] = [];
  /** They wait for HAProxy: its next worker calls for a pass. */
  #pending = new Map<Agent, ReadonlySet<string>>();
  #total = 0;
  #lastAt: number;
  #savedAt: number;
  /** Changes with each pass: what a handshake showed meanwhile does not count. */
  #passes = 0;
  #isPassing = false;
  /** When an address that does not answer was last tried before its turn. */
  #retriedAt = 0;
  /** The last proof, and the processor time before it; `undefined`: something else than waiting came after it. */
  #last: { handshakes: number; cpuMs: number } | undefined;

  constructor(agent: Agent, options: ProverOptions) {
    const agents = agent.instances?.length ? agent.instances : [agent];
    this.#agents = agents.filter(isProving);
    this.#options = options;
    this.#now = agent.now;
    this.#cpuMs = options.cpuMs ?? (() => 0);
    this.#pace = this.#agents[0]?.proofs.pace ?? new ProofPace();
    this.#lastAt = agent.now().getTime();
    this.#savedAt = this.#lastAt;
  }

  /** Whether a pass is to come before its time. */
  get isPassWanted(): boolean {
    return this.#agents.some(
      (agent) =>
        agent.proofs.hasNews ||
        [...agent.proofs.distrusted].some((file) => !this.#pending.get(agent)?.has(file)),
    );
  }

  /** A pass begins: it makes its own handshakes. */
  pause(): void {
    this.#passes += 1;
    this.#isPassing = true;
    this.#last = undefined;
  }

  /** @param result of the pass; `undefined`: it has failed, and what was there before is still there */
  resume(result: Pick<PassResult, 'outcomes' | 'status'> | undefined): void {
    this.#isPassing = false;
    if (result !== undefined) {
      for (const { proofs } of this.#agents) proofs.clearNews();
      this.#targets = this.#agents.flatMap((agent) => targetsIn(result, agent));
      this.#pending = new Map(
        this.#agents.map((agent) => [agent, filesWith('pending', result.status, agent)]),
      );
    }
    this.#begin();
    this.#options.wake();
  }

  /** Until the signal comes. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const passes = this.#passes;
      const waitMs = this.#waitMs();
      if (waitMs > 0) await this.#options.sleep(waitMs);
      if (signal.aborted) break;
      // A pass has come in between: what is next, and when, is another question now.
      if (passes === this.#passes && !this.#isPassing) await this.#proveNext();
      await this.#saveInTime();
    }
    for (const { config, proofs } of this.#agents) await saveProofs(config.stateDir, proofs);
  }

  #begin(): void {
    const targets = this.#targets.map((target) => withLastAttempt(target));
    this.#round = roundOf(targets, this.#now().getTime()).reverse();
    this.#total = targets.reduce((sum, { handshakes }) => sum + handshakes, 0);
  }

  #waitMs(): number {
    const next = this.#isPassing ? undefined : this.#round.at(-1);
    if (next === undefined) return IDLE_MS;
    const pauseMs = this.#pauseMs(next);
    const now = this.#now().getTime();
    const agoMs = now - this.#lastAt;
    // A clock that was set back delays nothing.
    const turnMs = agoMs < 0 ? pauseMs : Math.max(0, pauseMs - agoMs);
    return Math.min(turnMs, ...this.#agents.map((agent) => this.#untilRetryMs(agent, now)));
  }

  /** An address that does not answer is tried once a minute, however long its certificates have until their turn. */
  #untilRetryMs({ proofs }: ProvingAgent, now: number): number {
    const attempts = proofs.deadBinds.map(({ attempt }) => Math.max(attempt.at, this.#retriedAt));
    const untilMs = attempts.map((at) => (at > now ? 0 : Math.max(0, at + MINUTE_MS - now)));
    return Math.min(Number.POSITIVE_INFINITY, ...untilMs);
  }

  #takeNext(): Target | undefined {
    const now = this.#now().getTime();
    const retried = this.#agents.filter((agent) => this.#untilRetryMs(agent, now) === 0);
    if (retried.length === 0) return this.#round.pop();
    this.#retriedAt = now;
    const index = this.#round.findLastIndex(({ agent }) => retried.includes(agent));
    return index === -1 ? this.#round.pop() : this.#round.splice(index, 1)[0];
  }

  #pauseMs(next: Target): number {
    const { proveWithinMs } = next.agent.config.watch;
    return pauseBefore(next, { total: this.#total, proveWithinMs, pace: this.#pace });
  }

  async #proveNext(): Promise<void> {
    const target = this.#takeNext();
    if (target === undefined) return this.#begin();
    const cpuMs = this.#noteUse(target);
    const passes = this.#passes;
    const { agent, desired, pid } = target;
    const { file, sha256 } = desired;
    const binds = { ...agent, haproxy: pid === undefined ? undefined : { process: { pid } } };
    const result = await proveFile(desired, binds).catch(unlessUnexpected);
    this.#lastAt = this.#now().getTime();
    this.#last = this.#isPassing ? undefined : { handshakes: target.handshakes, cpuMs };
    if (this.#round.length === 0) this.#begin();
    if (passes !== this.#passes) return;
    if (result instanceof Error) {
      agent.proofs.distrust(file);
      this.#options.askForPoll();
    } else {
      agent.proofs.note(file, sha256, result, { at: this.#lastAt, pid });
      if (agent.proofs.hasNews) this.#options.askForPoll();
    }
  }

  /** @returns the processor time before the handshake */
  #noteUse(next: Target): number {
    const cpuMs = this.#cpuMs();
    if (this.#last === undefined) return cpuMs;
    const elapsedMs = this.#now().getTime() - this.#lastAt;
    this.#pace.noteDelay(this.#pauseMs(next), elapsedMs);
    this.#pace.noteUse(cpuMs - this.#last.cpuMs, elapsedMs, this.#last.handshakes);
    return cpuMs;
  }

  async #saveInTime(): Promise<void> {
    const now = this.#now().getTime();
    const spanMs = this.#pace.spanOf(this.#total, this.#agents[0]?.config.watch.proveWithinMs ?? 0);
    const everyMs = Math.max(MINUTE_MS, spanMs / SAVED_PARTS);
    const agoMs = now - this.#savedAt;
    if (agoMs >= 0 && agoMs < everyMs) return;
    this.#savedAt = now;
    for (const { config, proofs } of this.#agents) await saveProofs(config.stateDir, proofs);
  }
}

function isProving(agent: Agent): agent is ProvingAgent {
  return agent.proofs !== undefined;
}

/** The wire shows something else, or the file is gone: a pass finds out. */
function unlessUnexpected(error: unknown): Error {
  if (error instanceof Error) return error;
  throw error;
}

function withLastAttempt(target: Target): Target {
  const { agent, desired } = target;
  return { ...target, attempt: agent.proofs.of(desired.file, desired.sha256)?.attempt };
}

function targetsIn(
  { outcomes, status }: Pick<PassResult, 'outcomes' | 'status'>,
  agent: ProvingAgent,
): Target[] {
  const { name } = agent.config.haproxy;
  const served = filesWith('served', status, agent);
  const pid = pidIn(status, agent.config);
  return outcomes.filter(isOfDesired).flatMap(({ action: { desired }, instance }) => {
    if (instance !== name || !served.has(desired.file)) return [];
    const handshakes = handshakesOf(desired, agent.config);
    const changedAt = desired.publishedAt.getTime();
    return handshakes === 0 ? [] : [{ agent, desired, pid, attempt: undefined, changedAt, handshakes }];
  });
}

function filesWith(wanted: FileStatus['state'], { files }: HostStatus, { config }: Agent): Set<string> {
  const { name } = config.haproxy;
  const some = files.filter(({ state, instance }) => state === wanted && instance === name);
  return new Set(some.map(({ file }) => file));
}
