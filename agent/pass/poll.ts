/** Asks the bucket for news: one conditional GET of the manifest; "not modified" is the normal answer. */
import { type FleetName, layout } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import type { HostBucket } from '#storage/bucket.ts';
import type { Agent } from '../agent.ts';
import { HostError } from '../errors.ts';
import type { StoredManifest } from '../state/state.ts';

export interface Polled {
  known: StoredManifest;
  isNew: boolean;
}

/** @throws ContractError, BucketError, HostError `ERR_MANIFEST_MISSING`; then the known manifest stays in force */
export async function poll(
  bucket: HostBucket,
  fleet: FleetName,
  known: StoredManifest | undefined,
): Promise<Polled> {
  const key = layout.manifest(fleet);
  const found =
    known === undefined ? await bucket.get(key) : await bucket.get(key, { ifNoneMatch: known.etag });
  if (found === undefined) {
    const hint = `${bucket.url} holds no ${key}: nothing is published for this fleet, or its name is another`;
    throw new HostError('ERR_MANIFEST_MISSING', hint);
  }
  if (found === 'not-modified') return { known: known as StoredManifest, isNew: false };
  const manifest = parseManifest(fleet, found.body);
  return { known: { fleet, etag: found.etag, body: found.body.toString('utf8'), manifest }, isNew: true };
}

export interface PollResult {
  /** The manifest in force; none: nothing was ever published for us. */
  known: StoredManifest | undefined;
  isNew: boolean;
  /** Then the last good manifest, if there is one, stays in force. */
  error: unknown;
}

export async function pollOrKeep(agent: Agent, known: StoredManifest | undefined): Promise<PollResult> {
  try {
    return { ...(await poll(await agent.openBucket(), agent.config.fleet, known)), error: undefined };
  } catch (error) {
    return { known, isNew: false, error };
  }
}
