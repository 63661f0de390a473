/** A host of a fleet: a real HAProxy with its agent, whose passes run in this process. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { fleetName, hostName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { exitStatusOf } from '../../../agent/cli/exit-status.ts';
import { lineLog } from '../../../agent/log.ts';
import { syncHost } from '../../../agent/pass/instances.ts';
import { errorFields } from '../../../agent/pass/log-outcome.ts';
import { agentHere, type Finished, type SpawnOptions, spawnAgent } from '../agent/program.ts';
import { type Haproxy, type HaproxyVersion, startHaproxy } from '../parts/haproxy.ts';
import type { Keep } from '../together.ts';

export interface FleetHostOptions {
  name: string;
  fleet: string;
  /** `file:///…` */
  bucket: string;
  version: HaproxyVersion;
  /** For its state and its settings; HAProxy has one of its own. */
  dir: string;
  /** As systemd runs it: only such a HAProxy reloads. */
  masterWorker?: boolean;
  /** HAProxy's own, kept at its stop; default: a temporary one. */
  workDir?: string;
}

/** What an operator has written into its agent.yaml. */
export type HostSettings = Record<string, unknown>;

export class FleetHost {
  readonly name: string;
  readonly haproxy: Haproxy;
  readonly stateDir: string;
  readonly #settingsFile: string;
  #settings: HostSettings;
  /** Its clock is ahead of this machine's. */
  aheadMs = 0;
  /** What its passes have logged, the last one last. */
  readonly logs: string[] = [];

  private constructor({ name, fleet, bucket, dir }: FleetHostOptions, haproxy: Haproxy) {
    this.name = name;
    this.haproxy = haproxy;
    this.stateDir = join(dir, 'state');
    this.#settingsFile = join(dir, 'agent.yaml');
    mkdirSync(this.stateDir, { recursive: true, mode: 0o700 });
    this.#settings = {
      ...{ bucket, fleet, host: name, stateDir: this.stateDir },
      haproxy: {
        statsSocket: haproxy.socket,
        certsDir: haproxy.certsDir,
        handshake: [`127.0.0.1:${haproxy.httpsPort}`],
      },
    };
    this.configure({});
  }

  static async start(options: FleetHostOptions, keep: Keep): Promise<FleetHost> {
    const { version, masterWorker = false, workDir } = options;
    const haproxy = await startHaproxy({ version, masterWorker, ...(workDir && { workDir }) });
    keep(haproxy.stop);
    return new FleetHost(options, haproxy);
  }

  get fleet(): string {
    return String(this.#settings['fleet']);
  }

  /** Changes its agent.yaml. */
  configure(changes: HostSettings): void {
    this.#settings = { ...this.#settings, ...changes };
    writeFileSync(this.#settingsFile, stringify(this.#settings));
  }

  /** `pemfleet-agent sync`. */
  async pass(): Promise<Finished> {
    const lines: string[] = [];
    const log = lineLog((line) => lines.push(line), false);
    const now = () => new Date(Date.now() + this.aheadMs);
    const agent = await agentHere(['--config', this.#settingsFile], log, { now });
    const result = await syncHost(agent, { ignoresBackOff: true }).catch(
      (error: unknown) => void log('run.failed', errorFields(error)),
    );
    const stderr = lines.join('');
    this.logs.push(stderr);
    return { code: result ? exitStatusOf(result) : 1, signal: null, stdout: '', stderr };
  }

  /** The agent's own program. */
  program(words: string[], options: SpawnOptions = {}): Promise<Finished> {
    return spawnAgent([...words, '--config', this.#settingsFile], options);
  }

  /** As the issuer reads it. @returns undefined if there is none */
  async readStatus(): Promise<HostStatus | undefined> {
    const [fleet, host] = [fleetName.parse(this.fleet), hostName.parse(this.name)];
    const bucket = await openBucket(String(this.#settings['bucket']));
    const object = await bucket.get(layout.status(fleet, host));
    return object && parseHostStatus(fleet, host, object.body);
  }

  async status(): Promise<HostStatus> {
    const status = await this.readStatus();
    if (status === undefined) throw new Error(`there is no status of ${this.fleet}/${this.name}`);
    return status;
  }
}
