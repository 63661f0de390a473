/** The whole: an authority, the issuer, a directory bucket, and hosts with real HAProxy in one or more fleets. */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { makeTempDir } from '../temp-dir.ts';
import { startTogether } from '../together.ts';
import { FleetHost } from './host.ts';
import { type ConfiguredCertificate, FleetIssuer, startAuthority } from './issuer.ts';
import type { Place } from './watch.ts';

export interface SceneOptions {
  version: HaproxyVersion;
  /** The fleet of each host; the hosts are `host-1`, `host-2`, … */
  fleets: readonly string[];
  certificates: readonly ConfiguredCertificate[];
  masterWorker?: boolean;
}

/** A zone of the bucket. */
export type Zone = 'published' | 'issuer' | 'status';

export interface Scene {
  dir: string;
  issuer: FleetIssuer;
  hosts: readonly FleetHost[];
  stop(): Promise<void>;
}

export function startScene({ version, fleets, certificates, masterWorker }: SceneOptions): Promise<Scene> {
  return startTogether(async (keep) => {
    const { path: dir, remove } = makeTempDir();
    keep(remove);
    const authority = await startAuthority(keep);
    const bucketDir = join(dir, 'bucket');
    const issuer = new FleetIssuer(authority, dir, bucketDir);
    issuer.configure(certificates);
    const bucket = pathToFileURL(bucketDir).href;
    const hosts = await Promise.all(
      fleets.map((fleet, index) => {
        const name = `host-${index + 1}`;
        const hostDir = join(dir, name);
        mkdirSync(hostDir);
        return FleetHost.start(
          { name, fleet, bucket, version, dir: hostDir, ...(masterWorker && { masterWorker }) },
          keep,
        );
      }),
    );
    return { dir, issuer, hosts };
  });
}

/** What visitors may ask for: each name of each certificate, at the hosts of its fleets. */
export function placesOf(
  { hosts }: Pick<Scene, 'hosts'>,
  certificates: readonly ConfiguredCertificate[],
): Place[] {
  return hosts.flatMap(({ name: host, fleet, haproxy: { httpsPort: port } }) =>
    certificates
      .filter(({ fleets }) => fleets.includes(fleet))
      .flatMap(({ identifiers }) => identifiers.map((servername) => ({ host, port, servername }))),
  );
}

/** Copies of zones of the bucket, as a backup makes them. */
export class Backups {
  readonly #scene: Scene;
  readonly #dir: string;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#dir = join(scene.dir, 'backup');
  }

  make(): void {
    rmSync(this.#dir, { recursive: true, force: true });
    cpSync(this.#scene.issuer.bucketDir, this.#dir, { recursive: true });
  }

  /** The zone is as it was, whatever has come since. */
  restore(zone: Zone): void {
    this.lose(zone);
    const from = join(this.#dir, zone);
    if (existsSync(from)) cpSync(from, this.#pathOf(zone), { recursive: true });
  }

  lose(zone: Zone): void {
    rmSync(this.#pathOf(zone), { recursive: true, force: true });
  }

  #pathOf(zone: Zone): string {
    return join(this.#scene.issuer.bucketDir, zone);
  }
}
