// A HAProxy with many certificates, more of them to renew and to add, and a bucket that publishes them to an agent.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CombinedPem, digest, parse } from '#contract/combined-pem.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { emptyManifest, type Tombstone } from '#contract/manifest.ts';
import { signReceipt } from '#contract/receipt.ts';
import { openBucket } from '#storage/open.ts';
import { fleet, host } from '../support/agent/host.ts';
import { entryFor, signedRoot, stageSigner } from '../support/agent/publish.ts';
import { certificatesOf } from '../support/manifest.ts';
import { type Haproxy, type HaproxyVersion, startHaproxy } from '../support/parts/haproxy.ts';
import type { IssuedLeaf } from '../support/parts/pki.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** A certificate that HAProxy has, or is to have. */
export interface Leaf extends IssuedLeaf {
  name: string;
  /** HAProxy's name of it, which is its path too. */
  path: string;
  parsed: CombinedPem;
}

export interface Cost {
  seconds: number;
  /** Processor time of the worker. */
  cpuMs: number;
}

export interface LoadStage {
  dir: string;
  /** The agent's executable. */
  program: string;
  version: HaproxyVersion;
  haproxy: Haproxy;
  /** Flags of an agent on this host that makes no handshake. */
  flags: readonly string[];
  /** New ones for some of the loaded names, taken in turn: no name twice, of which a pass would bring the last only. */
  renewals(count: number): Leaf[];
  /** For names that nobody has yet. */
  newcomers(count: number): Leaf[];
  publish(leaves: readonly Leaf[]): Promise<void>;
  unpublish(leaves: readonly Leaf[]): Promise<void>;
  measure(work: () => Promise<unknown>): Promise<Cost>;
  stop(): Promise<void>;
}

/** Ticks of /proc/PID/stat (USER_HZ, on every architecture). */
const MS_PER_TICK = 10;
/** 2.6 needs 20 s for 10,000 certificates on a quiet machine. */
const DEADLINE_MS = 300_000;
const nameOf = (index: number) => `c${String(index).padStart(5, '0')}`;

/** @param stock one for each certificate that is loaded at the start */
export async function startLoadStage(
  version: HaproxyVersion,
  press: (name: string) => IssuedLeaf,
  stock: readonly IssuedLeaf[],
  program: string,
): Promise<LoadStage> {
  const temp = makeTempDir();
  const certsDir = join(temp.path, 'certs');
  mkdirSync(certsDir, { mode: 0o700 });
  const leafOf = (index: number, issued: IssuedLeaf): Leaf => {
    const name = nameOf(index);
    return { ...issued, name, path: join(certsDir, `${name}.pem`), parsed: parse(issued.combined) };
  };
  const issue = (index: number) => leafOf(index, press(hostOf(index)));
  const loaded = stock.map((issued, index) => leafOf(index, issued));
  for (const { path, combined } of loaded) writeFileSync(path, combined, { mode: 0o600 });
  const options = { version, workDir: temp.path, masterWorker: true, deadlineMs: DEADLINE_MS };
  const haproxy = await startHaproxy(options);
  const bucket = await openBucket(pathToFileURL(join(temp.path, 'bucket')).href);
  const shelf = publisherOf(bucket);
  await shelf.publish(loaded, false);
  let renewed = 0;
  let added = stock.length;
  return {
    ...{ dir: temp.path, program, version, haproxy },
    flags: [
      ...['--bucket', bucket.url, '--fleet', fleet, '--host', host, '--certs-dir', certsDir],
      ...['--stats-socket', haproxy.socket, '--state-dir', join(temp.path, 'state')],
      // How fast it can be; how fast it shall be on 2.6 is the question of `-- traffic`.
      ...['--handshake', '', '--pace', '0'],
    ],
    renewals: (count) =>
      Array.from({ length: Math.min(count, stock.length) }, () => issue(renewed++ % stock.length)),
    newcomers: (count) => Array.from({ length: count }, () => issue(added++)),
    publish: (leaves) => shelf.publish(leaves, true),
    unpublish: shelf.unpublish,
    measure: async (work) => {
      const before = cpuMsOf(await haproxy.pid());
      const begun = performance.now();
      await work();
      const seconds = (performance.now() - begun) / 1000;
      return { seconds, cpuMs: cpuMsOf(await haproxy.pid()) - before };
    },
    stop: async () => {
      await haproxy.stop();
      temp.remove();
    },
  };
}

export const hostOf = (index: number) => `${nameOf(index)}.bench.test`;

/** The manifest is kept here: reading it anew for each of 10,000 certificates would take hours. */
function publisherOf(bucket: Awaited<ReturnType<typeof openBucket>>) {
  const certificates: Record<string, ReturnType<typeof entryFor>> = {};
  const tombstones: Record<string, Tombstone> = {};
  let sequence = Date.now();
  const put = () => {
    const head = emptyManifest(fleet, new Date());
    const document = { ...head, certificates: certificatesOf(certificates), tombstones };
    return bucket.put(layout.root(fleet), signedRoot(document, { sequence }));
  };
  return {
    /** @param withBodies `false`: they are on the host already, nobody fetches them */
    publish: async (leaves: readonly Leaf[], withBodies: boolean) => {
      sequence += 1;
      for (const { name, combined } of leaves) {
        const key = layout.pem(fleet, certificateName.parse(name), digest(combined));
        if (withBodies) await bucket.put(key, combined);
        certificates[name] = signedEntry(name, combined, sequence);
        delete tombstones[name];
      }
      await put();
    },
    unpublish: async (leaves: readonly Leaf[]) => {
      sequence += 1;
      for (const { name } of leaves) {
        const pems = certificates[name]?.pems ?? [];
        tombstones[name] = { reason: 'withdrawn', at: new Date().toISOString(), pems };
        delete certificates[name];
      }
      await put();
    },
  };
}

/** Signed here: for 10,000 of them it would take a second with each manifest. */
function signedEntry(name: string, combined: string, sequence: number) {
  const entry = entryFor(combined, [`${name}.bench.test`]);
  const pems = entry.pems.map((pem) => {
    const { sha256, notAfter } = pem;
    const claims = { fleet, name: certificateName.parse(name), sha256, notAfter, sequence };
    return { ...pem, receipt: signReceipt(stageSigner, claims) };
  });
  return { ...entry, sequence, pems };
}

/** User and system time (proc(5), fields 14 and 15; the name before them may hold spaces). */
export function cpuMsOf(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

export function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

const statOf = (pid: number) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');

/** As if it had never been added. */
export async function forget({ haproxy }: LoadStage, leaves: readonly Leaf[]): Promise<void> {
  for (const { path } of leaves) {
    await haproxy.command(`del ssl crt-list ${haproxy.certsDir} ${path}`);
    await haproxy.command(`del ssl cert ${path}`);
    rmSync(path, { force: true });
  }
}
