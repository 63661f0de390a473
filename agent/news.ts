/** What a pass goes by: the manifest in force, and whether the bucket could be asked. */
import type { Manifest } from '#contract/manifest.ts';
import type { Agent } from './agent.ts';
import { poll, readKnown } from './poll.ts';
import type { KnownManifest } from './state.ts';

export interface News {
  manifest: Manifest | undefined;
  known: KnownManifest | undefined;
  isNew: boolean;
  /** Then the last good manifest, if there is one, stays in force. */
  error: unknown;
}

export async function ask(agent: Agent, known: KnownManifest | undefined): Promise<News> {
  const { fleet } = agent.config;
  try {
    return { ...(await poll(await agent.openBucket(), fleet, known)), error: undefined };
  } catch (error) {
    const kept = known ? readKnown(fleet, known) : { manifest: undefined, known: undefined };
    return { ...kept, isNew: false, error };
  }
}
