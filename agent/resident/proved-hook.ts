/**
 * `hooks.proved`: the operator's program, after a pass in which handshakes have shown certificates that this host did not serve before. One
 * run for all of them, without a shell, with facts in its environment and no key. What fails is run again after the next passes, three times
 * at most, and never fails a pass.
 */
import { join } from 'node:path';
import { escapedJson } from '#common/printable.ts';
import { PROGRAM_PATH } from '#common/program/path.ts';
import { runBounded } from '#common/program/run-bounded.ts';
import { SECOND_MS } from '#common/time.ts';
import type { Agent, PassResult } from '../agent.ts';

/** A certificate that a handshake has shown for the first time. */
interface ProvedFile {
  certificate: string;
  file: string;
  serial: string | undefined;
  binds: readonly string[];
}

const MAX_RUNS = 3;
/** Of 10,000 at a first start, an environment would not hold the names: standard input has them all. */
const MAX_NAMED = 100;

export class ProvedHook {
  readonly #agent: Agent;
  #waiting: ProvedFile[] = [];
  #runs = 0;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** @returns when the program has ended, or its time is over */
  async run({ outcomes }: Pick<PassResult, 'outcomes'>): Promise<void> {
    const { proved: command, timeoutSeconds } = this.#agent.config.hooks;
    if (command === undefined) return;
    const fresh = provedFiles(this.#agent, outcomes);
    if (fresh.length > 0) this.#runs = 0;
    const names = new Set(fresh.map(({ file }) => file));
    this.#waiting = [...this.#waiting.filter(({ file }) => !names.has(file)), ...fresh];
    if (this.#waiting.length === 0) return;
    this.#runs += 1;
    const { config, log } = this.#agent;
    const count = this.#waiting.length;
    const end = await runBounded({
      command,
      env: environmentOf(config, this.#waiting),
      input: `${escapedJson({ version: 1, fleet: config.fleet, host: config.host, proved: this.#waiting })}\n`,
      timeoutMs: timeoutSeconds * SECOND_MS,
    });
    for (const line of end.output) log('hook.output', { line });
    if (end.isWell) log('hook.done', { count });
    else log('hook.failed', { count, message: end.problem, run: this.#runs });
    if (end.isWell || this.#runs >= MAX_RUNS) this.#waiting = [];
  }
}

function provedFiles({ config }: Agent, outcomes: PassResult['outcomes']): ProvedFile[] {
  return outcomes.flatMap(({ kind, action, deployed, instance }) => {
    const { handshakes = [], isWritten, isLoaded } = deployed;
    if (kind !== 'done' || handshakes.length === 0 || !(isWritten || isLoaded)) return [];
    const { certsDir } = config.instances.find(({ name }) => name === instance) ?? config.haproxy;
    const { certificate, file, desired } = action;
    return [{ certificate, file: join(certsDir, file), serial: desired?.serial, binds: handshakes }];
  });
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
