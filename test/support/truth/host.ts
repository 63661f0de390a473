// A host of a stage: a real HAProxy under a master, and the resident agent in this process, whose polls and proofs come when a test says so.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { type FleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Agent } from '../../../agent/agent.ts';
import { runLoop } from '../../../agent/resident/loop.ts';
import { Prover, withProofs } from '../../../agent/resident/prover.ts';
import type { Logged } from '../agent/polls.ts';
import { agentHere } from '../agent/program.ts';
import { type Haproxy, type HaproxyVersion, startHaproxy } from '../parts/haproxy.ts';
import { Rest } from './rest.ts';
import type { StageClock } from './store.ts';

export interface TruthHostOptions {
  name: string;
  fleet: FleetName;
  bucket: Bucket;
  clock: StageClock;
  /** Whose manifests it takes. */
  key: string;
  version: HaproxyVersion;
  /** HAProxy's, the agent's state below it. */
  dir: string;
  /** Default: the shipped configuration. */
  configText?: string;
  /** Flags of the agent beside the usual. */
  flags?: (haproxy: Haproxy) => string[];
}

export class TruthHost {
  readonly name: string;
  readonly #options: TruthHostOptions;
  #haproxy: Haproxy;
  /** Of this host alone, against the store's. */
  clockOffsetMs = 0;
  #logged: Logged[] = [];
  #resident: Resident | undefined;

  private constructor(options: TruthHostOptions, haproxy: Haproxy) {
    this.name = options.name;
    this.#options = options;
    this.#haproxy = haproxy;
  }

  static async start(options: TruthHostOptions): Promise<TruthHost> {
    const { version, dir: workDir, configText } = options;
    const own = { version, workDir, masterWorker: true };
    return new TruthHost(options, await startHaproxy({ ...own, ...(configText && { configText }) }));
  }

  get haproxy(): Haproxy {
    return this.#haproxy;
  }

  get flags(): string[] {
    const { bucket, fleet, dir, key, flags } = this.#options;
    return [
      ...['--bucket', bucket.url, '--fleet', fleet, '--host', this.name, '--state-dir', join(dir, 'state')],
      ...['--stats-socket', this.#haproxy.socket, '--certs-dir', this.#haproxy.certsDir, '--trust-key', key],
      ...['--handshake', [`127.0.0.1:${this.#haproxy.httpsPort}`, ...(flags?.(this.#haproxy) ?? [])].join()],
    ];
  }

  pathOf(certificate: string): string {
    return join(this.#haproxy.certsDir, `${certificate}.pem`);
  }

  /** One poll of the resident agent, which begins with the first. @returns what it has logged */
  async poll(): Promise<Logged[]> {
    this.#logged = [];
    if (this.#resident === undefined) this.#resident = await this.#begin();
    else this.#resident.polls.end();
    await this.#resident.polls.begun();
    return this.#logged;
  }

  /** Polls where a proof has asked for it. @returns when the agent proves next; Infinity: it does not run */
  async nextProofAt(): Promise<number> {
    while (this.#resident !== undefined) {
      const at = await this.#resident.proofs.begun();
      if (!this.#resident.isPollWanted) return at;
      this.#resident.isPollWanted = false;
      await this.poll();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** It is time for the next proof. */
  async proveNext(): Promise<void> {
    this.#resident?.proofs.end();
    await this.#resident?.proofs.begun();
  }

  /** The agent ends: it is killed as far as anybody sees, for it says nothing. */
  async stop(): Promise<void> {
    await this.#resident?.stop();
    this.#resident = undefined;
  }

  async down(): Promise<void> {
    await this.#haproxy.stop();
  }

  async up(): Promise<void> {
    const { version, dir: workDir } = this.#options;
    const { httpPort, httpsPort } = this.#haproxy;
    const configFile = join(workDir, 'haproxy.cfg');
    const own = { version, workDir, masterWorker: true, httpPort, httpsPort };
    const isOwn = this.#options.configText !== undefined;
    this.#haproxy = await startHaproxy(isOwn ? { ...own, configFile } : own);
  }

  /** Changes HAProxy's configuration, and reloads it. Only of a host with a configuration of its own. */
  async configure(change: (text: string) => string): Promise<void> {
    const path = join(this.#options.dir, 'haproxy.cfg');
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    await this.#haproxy.reload();
  }

  async status(): Promise<HostStatus> {
    const { bucket, fleet } = this.#options;
    const host = hostName.parse(this.name);
    const object = await bucket.get(layout.status(fleet, host));
    if (object === undefined) throw new Error(`there is no status of ${this.name}`);
    return parseHostStatus(fleet, host, object.body);
  }

  async #begin(): Promise<Resident> {
    const { bucket, clock } = this.#options;
    const log = (event: string, fields?: object) => void this.#logged.push({ event, ...fields });
    const now = () => new Date(clock.now().getTime() + this.clockOffsetMs);
    const agent = await agentHere(this.flags, log, { now, openBucket: async () => bucket });
    return begin(await withProofs(agent), clock.now);
  }
}

interface Resident {
  polls: Rest;
  proofs: Rest;
  isPollWanted: boolean;
  stop(): Promise<void>;
}

/** As agent/resident/resident.ts composes it, without systemd. */
function begin(agent: Agent, now: () => Date): Resident {
  const [polls, proofs, abort] = [new Rest(now), new Rest(now), new AbortController()];
  const resident = { polls, proofs, isPollWanted: false };
  const askForPoll = () => {
    resident.isPollWanted = true;
  };
  const prover = new Prover(agent, { sleep: proofs.sleep, wake: proofs.end, askForPoll });
  const proving = prover.run(abort.signal);
  const polling = runLoop({ agent, signal: abort.signal, prover, random: () => 0.5, sleep: polls.sleep });
  const stop = async () => {
    abort.abort();
    polls.end();
    proofs.end();
    await Promise.all([proving, polling]);
  };
  return Object.assign(resident, { stop });
}
