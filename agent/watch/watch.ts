/**
 * The look of a poll that finds nothing new to read: whether files and HAProxy are still as the last pass has left them. It changes
 * nothing. What is not as it was is a suspect: an ordinary pass follows at once, which believes no earlier proof of it.
 */
import type { Agent, LeftHost, Suspects } from '../agent.ts';
import { isOfDesired } from '../deploy/action.ts';
import { HostError, RuntimeCommandFailed } from '../errors.ts';
import { errorFields } from '../pass/log-outcome.ts';
import { CrtListWatch } from './crt-list.ts';
import { DiskWatch } from './disk.ts';
import { type LookRates, portionSize, Rotation } from './portions.ts';
import { RuntimeWatch } from './runtime.ts';
import { StrangerWatch } from './strangers.ts';

export class HostWatch {
  readonly #agent: Agent;
  readonly #instances = new Map<string, InstanceWatch>();

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** A HAProxy whose pass has failed is watched as the pass before has left it. */
  async reset(left: readonly LeftHost[]): Promise<void> {
    for (const one of left) {
      const name = one.view.config.haproxy.name ?? '';
      const watch = this.#instances.get(name) ?? new InstanceWatch();
      this.#instances.set(name, watch);
      await watch.reset(one);
    }
  }

  /**
   * Never throws: whatever keeps it from looking, the pass that follows goes on.
   * @param isIdle nothing else calls for a pass
   * @returns empty: all that was looked at is as it was left. No file of a HAProxy: it could not be looked at, a pass says why
   */
  async look(isIdle: boolean): Promise<Suspects> {
    const suspects = new Map<string, ReadonlySet<string>>();
    const { pollIntervalMs: everyMs, watch } = this.#agent.config;
    const rates = { everyMs, withinMs: watch.lookWithinMs, instances: this.#instances.size };
    for (const [name, instance] of this.#instances) {
      const some = await instance.look(rates, isIdle).catch((error: unknown) => this.#logUnexpected(error));
      if (some === undefined || some.size > 0) suspects.set(name, some ?? new Set());
    }
    return suspects;
  }

  #logUnexpected(error: unknown): undefined {
    // Of these the pass that follows says the same.
    if (error instanceof HostError || error instanceof RuntimeCommandFailed) return;
    this.#agent.log('watch.failed', errorFields(error));
  }
}

class InstanceWatch {
  readonly #disk = new DiskWatch();
  readonly #crtList = new CrtListWatch();
  readonly #runtime = new RuntimeWatch();
  readonly #strangers = new StrangerWatch();
  readonly #rotation = new Rotation();
  #files: readonly string[] = [];

  async reset(left: LeftHost): Promise<void> {
    this.#files = left.outcomes
      .filter(isOfDesired)
      .map(({ action }) => action.file)
      .sort();
    for (const one of [this.#disk, this.#crtList, this.#runtime, this.#strangers]) await one.reset(left);
  }

  /**
   * A pass compares disk and HAProxy by itself; what to prove anew it cannot know.
   * @returns `undefined`: no file could be installed now
   */
  async look(rates: LookRates, isIdle: boolean): Promise<Set<string> | undefined> {
    const sharing = await this.#strangers.sharing();
    if (!isIdle) return new Set([...sharing, ...this.#strangers.allSharing]);
    if (!(await this.#disk.isWritable())) return undefined;
    const files = this.#rotation.next(this.#files, portionSize(this.#files.length, rates));
    const onDisk = [...(await this.#disk.changedAmong(files)), ...(await this.#crtList.changed())];
    return new Set([...sharing, ...onDisk, ...(await this.#runtime.changedAmong(files))]);
  }
}
