/**
 * The look of a poll that finds nothing new to read: whether files and HAProxy are still as the last pass has left them. It changes
 * nothing. What is not as it was is a suspect: an ordinary pass follows at once, which believes no earlier proof of it.
 */
import type { Agent, LeftHost, Suspects } from '../agent.ts';
import { isOfDesired } from '../deploy/action.ts';
import { DiskWatch } from './disk.ts';
import { portionSize, Rotation } from './portions.ts';

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

  /** @returns empty: all that was looked at is as it was left */
  async look(): Promise<Suspects> {
    const suspects = new Map<string, ReadonlySet<string>>();
    const { pollIntervalMs: everyMs, watch } = this.#agent.config;
    const rates = { everyMs, withinMs: watch.lookWithinMs, instances: this.#instances.size };
    for (const [name, instance] of this.#instances) {
      const some = await instance.look(rates);
      if (some.size > 0) suspects.set(name, some);
    }
    return suspects;
  }
}

class InstanceWatch {
  readonly #disk = new DiskWatch();
  readonly #rotation = new Rotation();
  #files: readonly string[] = [];

  async reset(left: LeftHost): Promise<void> {
    this.#files = left.outcomes
      .filter(isOfDesired)
      .map(({ action }) => action.file)
      .sort();
    await this.#disk.reset(left);
  }

  async look(rates: Parameters<typeof portionSize>[1]): Promise<Set<string>> {
    const files = this.#rotation.next(this.#files, portionSize(this.#files.length, rates));
    return new Set(await this.#disk.changedAmong(files));
  }
}
