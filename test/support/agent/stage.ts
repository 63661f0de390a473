// A whole host for the agent: a directory bucket with a manifest, a real HAProxy, and the agent's own program.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { Manifest, ManifestEntry, Tombstone } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { LOCK_FILE } from '../../../agent/state/directory-lock.ts';
import { OWNERSHIP_FILE, OWNERSHIP_FOLDER } from '../../../agent/state/ownership.ts';
import { type Handshake, handshake } from '../handshake.ts';
import { type Haproxy, type HaproxyOptions, startHaproxy } from '../parts/haproxy.ts';
import { createPki, type LeafOptions, type Pki } from '../parts/pki.ts';
import { makeTempDir } from '../temp-dir.ts';
import { fleet, host } from './host.ts';
import { adoptHere, type Finished, passHere, type SpawnOptions, spawnAgent } from './program.ts';
import { publisher, stageSigner } from './publish.ts';

export interface Stage {
  dir: string;
  bucket: Bucket;
  bucketDir: string;
  stateDir: string;
  haproxy: Haproxy;
  pki: Pki;
  /** Flags that make the agent work on this stage. */
  flags: string[];
  /** Issues and publishes; the PEM is returned. */
  publish(name: string, leaf: LeafOptions): Promise<string>;
  /** Many at once, `NAME.test` each; the PEMs are returned, by name. */
  publishAll(names: readonly string[]): Promise<Map<string, string>>;
  /** Publishes any bytes under any description. */
  publishBytes(name: string, body: string, entry: object): Promise<void>;
  /** The name is missing in the next manifest, and nothing says why. */
  unpublish(name: string): Promise<void>;
  /** A tombstone ends everything that was published under the names. */
  withdraw(names: string | readonly string[], changes?: Partial<Tombstone>): Promise<void>;
  manifest(): Promise<Manifest>;
  /** What the manifest says of a certificate. */
  entry(name: string): Promise<ManifestEntry>;
  /** Version 1. */
  putManifest(text: string): Promise<void>;
  /** Version 2. */
  putRoot(text: string): Promise<void>;
  /** Of this, both versions; the root with a higher sequence. */
  putBoth(next: Manifest): Promise<void>;
  /** Nothing is published for the fleet. */
  dropManifests(): Promise<void>;
  agent(command: string, options?: SpawnOptions): Promise<Finished>;
  /** As `agent('sync')`, in this process: many rows of a table need many passes. */
  pass(args?: string[]): Promise<Finished>;
  /** As `agent('adopt')`, in this process. @throws if one is refused */
  adopt(...words: string[]): Promise<void>;
  status(): Promise<HostStatus>;
  handshake(servername: string): Promise<Handshake>;
  /** Names in HAProxy's directory, dot-files too, but for the agent's record of its files. */
  files(): string[];
  pem(name: string): string;
}

export async function makeStage(t: TestContext, options: HaproxyOptions): Promise<Stage> {
  const place = makeTempDir();
  const haproxy = await startHaproxy(options);
  t.after(async () => {
    await haproxy.stop();
    place.remove();
  });
  return stageOn(haproxy, place.path);
}

export async function stageOn(haproxy: Haproxy, dir: string): Promise<Stage> {
  const bucketDir = join(dir, 'bucket');
  const stateDir = join(dir, 'state');
  const bucket = await openBucket(pathToFileURL(bucketDir).href);
  const pki = await createPki();
  const flags = [
    ...['--bucket', bucket.url, '--fleet', fleet, '--host', host, '--state-dir', stateDir],
    ...['--stats-socket', haproxy.socket, '--certs-dir', haproxy.certsDir],
    ...['--handshake', `127.0.0.1:${haproxy.httpsPort}`],
    ...['--trust-key', stageSigner.key],
  ];
  return {
    dir,
    bucket,
    bucketDir,
    stateDir,
    haproxy,
    pki,
    flags,
    ...publisher(bucket, pki),
    agent: (command, options = {}) => spawnAgent([command, ...flags, ...(options.args ?? [])], options),
    pass: (args = []) => passHere([...flags, ...args]),
    adopt: (...words) => adoptHere(flags, words),
    status: async () => {
      const object = await bucket.get(layout.status(fleet, host));
      if (object === undefined) throw new Error('the bucket holds no host status');
      return parseHostStatus(fleet, host, object.body);
    },
    handshake: (servername) => handshake({ port: haproxy.httpsPort, servername }),
    files: () => filesIn(haproxy.certsDir),
    pem: (name) => readFileSync(join(haproxy.certsDir, `${name}.pem`), 'utf8'),
  };
}

/** The stage's flags without its key: the agent trusts at first contact, or takes version 1. */
export function withoutTrust(flags: readonly string[]): string[] {
  const at = flags.indexOf('--trust-key');
  return flags.filter((_, index) => index !== at && index !== at + 1);
}

/** Names in a directory of HAProxy, but for the agent's record of its files, and its lock. */
export function filesIn(certsDir: string): string[] {
  return readdirSync(certsDir)
    .sort()
    .filter((name) => ![OWNERSHIP_FILE, OWNERSHIP_FOLDER, LOCK_FILE].includes(name));
}
