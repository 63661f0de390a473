// A host with thousands of certificates that HAProxy has loaded, as the manifest wants them, and renewals of many at once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digest, parse } from '#contract/combined-pem.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { certificatesOf } from '../manifest.ts';
import { type HaproxyVersion, startHaproxy } from '../parts/haproxy.ts';
import { createPki } from '../parts/pki.ts';
import { stampedName, stamper } from '../stamp.ts';
import { makeTempDir } from '../temp-dir.ts';
import { fleet } from './host.ts';
import { entryFor } from './publish.ts';
import { type Stage, stageOn } from './stage.ts';

export interface CertificateSet {
  stamp: (index: number) => string;
  pems: readonly string[];
}

/** Made once, for HAProxies of several versions. */
export async function stampSet(count: number): Promise<CertificateSet> {
  const stamp = await stamper(await createPki());
  return { stamp, pems: Array.from({ length: count }, (_, index) => stamp(index)) };
}

export interface Many {
  stage: Stage;
  /** What the manifest wants, by index. */
  wanted: string[];
  /** Renews these and publishes them together. */
  renew(indices: readonly number[]): Promise<void>;
  stop(): Promise<void>;
}

/** The files and the manifest are there before HAProxy starts; the bucket holds what is renewed later. */
export async function makeMany(
  version: HaproxyVersion,
  { stamp, pems }: CertificateSet,
  configText?: string,
): Promise<Many> {
  const place = makeTempDir();
  const certs = join(place.path, 'certs');
  mkdirSync(certs, { mode: 0o700 });
  const wanted = [...pems];
  for (const [index, pem] of pems.entries()) {
    writeFileSync(join(certs, `${fileStem(index)}.pem`), pem, { mode: 0o600 });
  }
  const options = { version, workDir: place.path, masterWorker: true, deadlineMs: 600_000 };
  const haproxy = await startHaproxy({ ...options, ...(configText !== undefined && { configText }) });
  const stage = await stageOn(haproxy, place.path);
  const entries = new Map(pems.map((pem, index) => [fileStem(index), entryOf(pem, index)]));
  const putManifest = async () =>
    stage.putBoth({
      ...(await stage.manifest()),
      certificates: certificatesOf(Object.fromEntries(entries)),
    });
  await putManifest();
  const renewOne = async (index: number) => {
    const pem = stamp(index);
    wanted[index] = pem;
    entries.set(fileStem(index), entryOf(pem, index));
    await stage.bucket.put(layout.pem(fleet, certificateName.parse(fileStem(index)), digest(pem)), pem);
  };
  const renew = async (indices: readonly number[]) => {
    for (const index of indices) await renewOne(index);
    await putManifest();
  };
  return { stage, wanted, renew, stop: () => haproxy.stop().finally(place.remove) };
}

export const fileStem = (index: number): string => stampedName(index).replace('.test', '');

export const serialIn = (pem: string): string => parse(pem).leaf.serialNumber;

/** What HAProxy holds, by file: a hundred in one connection. 3.2 has more lines before the status. */
export async function serialsShown({ haproxy }: Stage, count: number): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  for (let at = 0; at < count; at += 100) {
    const indices = Array.from({ length: Math.min(100, count - at) }, (_, offset) => at + offset);
    const asked = indices.map((index) => `show ssl cert ${join(haproxy.certsDir, `${fileStem(index)}.pem`)}`);
    const answer = await haproxy.command(asked.join(';'));
    for (const [, path = '', serial = ''] of answer.matchAll(
      /^Filename: (.+)\n(?:.+\n)*?Status: Used\nSerial: (.+)$/gm,
    )) {
      shown.set(path, serial);
    }
  }
  return shown;
}

function entryOf(pem: string, index: number): object {
  return entryFor(pem, [stampedName(index)]);
}
