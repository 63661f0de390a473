/** Asks the bucket for a new manifest: one conditional GET; "not modified" is the normal answer. */
import { type FleetName, layout } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import type { HostBucket } from '#storage/bucket.ts';
import type { Agent } from '../agent.ts';
import { asBlocker, type Blocker } from '../blocker.ts';
import { HostError } from '../errors.ts';
import type { StoredManifest } from '../state/state.ts';

export interface PollResult {
  /** The manifest in force; `undefined`: nothing was ever published for this host. */
  manifest: StoredManifest | undefined;
  isNew: boolean;
  /** Why the last good manifest, if there is one, stays in force. */
  error: Blocker | undefined;
}

/** @param stored the last good manifest */
export async function pollOrKeep(agent: Agent, stored: StoredManifest | undefined): Promise<PollResult> {
  try {
    const manifest = await poll(await agent.openBucket(), agent.config.fleet, stored);
    return { manifest, isNew: manifest !== stored, error: undefined };
  } catch (error) {
    return { manifest: stored, isNew: false, error: asBlocker(error) };
  }
}

/**
 * @returns `stored` itself if it is not modified
 * @throws ContractError, BucketError, HostError `ERR_MANIFEST_MISSING`
 */
async function poll(
  bucket: HostBucket,
  fleet: FleetName,
  stored: StoredManifest | undefined,
): Promise<StoredManifest> {
  const key = layout.manifest(fleet);
  const answer =
    stored === undefined ? await bucket.get(key) : await bucket.get(key, { ifNoneMatch: stored.etag });
  if (answer === undefined) {
    const hint = `${bucket.url} holds no ${key}: nothing is published for this fleet, or its name is another`;
    throw new HostError('ERR_MANIFEST_MISSING', hint);
  }
  if (answer === 'not-modified') return stored as StoredManifest;
  const manifest = parseManifest(fleet, answer.body);
  return { fleet, etag: answer.etag, body: answer.body.toString('utf8'), manifest };
}
