/**
 * `agent/release.json`: which release of the agent hosts install, and which one it took the place of. The tarballs lie beside it under their
 * SHA-256. cdk/host/fetch-agent.py reads it on the host.
 */
import * as z from 'zod';
import { parseDocument, serializeDocument, VERSION } from '#contract/document.ts';
import { layout, sha256Hex } from '#contract/layout.ts';
import type { HostBucket } from '#storage/bucket.ts';

/** One version of the agent, for each architecture. */
const release = z.looseObject({
  release: z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/, 'is no version'),
  /** By architecture, as `uname -m` prints it. */
  machines: z.record(z.string().max(32), z.looseObject({ sha256: sha256Hex, size: z.number().int() })),
});

const releasePointer = z.looseObject({
  version: z.literal(VERSION),
  current: release,
  /** Absent: there was none. It stays in the bucket, for the way back. */
  previous: release.optional(),
});

export type AgentRelease = z.infer<typeof release>;
export type ReleasePointer = z.infer<typeof releasePointer>;

const CODES = { schema: 'ERR_AGENT_RELEASE', version: 'ERR_AGENT_RELEASE' } as const;

/**
 * @returns undefined where none was ever published
 * @throws ContractError `ERR_AGENT_RELEASE`
 * @throws BucketError
 */
export async function readReleasePointer(
  bucket: Pick<HostBucket, 'get'>,
): Promise<ReleasePointer | undefined> {
  const object = await bucket.get(layout.agentRelease);
  return object && parseDocument(releasePointer, CODES, layout.agentRelease, object.body);
}

/** The pointer after `next` was published: a release that is published again changes nothing. */
export function nextPointer(next: AgentRelease, before: ReleasePointer | undefined): ReleasePointer {
  if (before === undefined) return { version: VERSION, current: next };
  if (isSameRelease(before.current, next)) return before;
  return { version: VERSION, current: next, previous: before.current };
}

export function serializePointer(pointer: ReleasePointer): string {
  return serializeDocument(pointer);
}

/** Two builds of one version are two releases. */
function isSameRelease(one: AgentRelease, other: AgentRelease): boolean {
  const digests = ({ machines }: AgentRelease) =>
    Object.entries(machines)
      .map(([machine, { sha256 }]) => `${machine} ${sha256}`)
      .sort()
      .join();
  return one.release === other.release && digests(one) === digests(other);
}
