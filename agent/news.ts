/** What a pass goes by: the manifest in force, and whether the bucket could be asked. */
import type { Agent } from './agent.ts';
import { poll } from './poll.ts';
import type { KnownManifest } from './state/state.ts';

export interface News {
  /** The manifest in force; none: nothing was ever published for us. */
  known: KnownManifest | undefined;
  isNew: boolean;
  /** Then the last good manifest, if there is one, stays in force. */
  error: unknown;
}

export async function ask(agent: Agent, known: KnownManifest | undefined): Promise<News> {
  try {
    return { ...(await poll(await agent.openBucket(), agent.config.fleet, known)), error: undefined };
  } catch (error) {
    return { known, isNew: false, error };
  }
}
