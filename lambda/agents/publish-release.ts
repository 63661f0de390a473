/** Puts a release of the agent into the bucket: the tarballs first, then the pointer, so that a host never finds less than the pointer names. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layout } from '#contract/layout.ts';
import type { HostBucket } from '#storage/bucket.ts';
import {
  type AgentRelease,
  nextPointer,
  type ReleasePointer,
  readReleasePointer,
  serializePointer,
} from './release-pointer.ts';

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
/** A line of SHA256SUMS that names a tarball of the agent. */
const TARBALL = /^([0-9a-f]{64}) {2}(pemfleet-agent-([0-9A-Za-z.+-]+)-linux-(x64|arm64)\.tar\.gz)$/gm;

type ReleaseBucket = Pick<HostBucket, 'get' | 'put'>;

/**
 * @param folder with tarballs and their SHA256SUMS, as `npm run release` leaves it
 * @throws Error if a tarball does not match its digest
 * @throws BucketError
 */
export async function publishAgentRelease(bucket: ReleaseBucket, folder: string): Promise<ReleasePointer> {
  const sums = await readFile(join(folder, 'SHA256SUMS'), 'utf8');
  const before = await readReleasePointer(bucket);
  const machines: AgentRelease['machines'] = {};
  let release = '';
  for (const [, sha256 = '', file = '', version = '', arch = ''] of sums.matchAll(TARBALL)) {
    const body = await readFile(join(folder, file));
    const actual = createHash('sha256').update(body).digest('hex');
    if (actual !== sha256) throw new Error(`${file} has the SHA-256 ${actual}, SHA256SUMS says ${sha256}`);
    release = version;
    machines[MACHINES[arch] ?? arch] = { sha256, size: body.length };
    // Its key is its content: what is there already is the same.
    await bucket.put(layout.agentTarball(sha256), body, { ifNoneMatch: '*' });
  }
  if (release === '') throw new Error(`SHA256SUMS in ${folder} names no tarball of the agent`);
  const pointer = nextPointer({ release, machines }, before);
  if (pointer !== before) await bucket.put(layout.agentRelease, serializePointer(pointer));
  return pointer;
}
