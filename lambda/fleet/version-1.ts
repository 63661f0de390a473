/**
 * Whether a fleet still needs `manifest.json`, the manifest of version 1. It costs an object and a write; without it, old agents get no
 * renewals. So it ends on proof only: all hosts that are known read roots, and none has reported otherwise for a month.
 */
import { DAY_MS } from '#common/time.ts';
import type { Config } from '../config/config.ts';
import { readsVersion1Only } from './hosts.ts';
import type { SummariesByHost } from './summary.ts';

/** An agent that was rolled back, or a host from an old image, may come that late. */
const NEEDED_FOR_MS = 30 * DAY_MS;

export interface Version1Evidence {
  /** Of the fleet's hosts; undefined: they are not known now. */
  summaries: SummariesByHost | undefined;
  /** When one of its hosts last reported an agent that reads version 1 only (`HostSummaries.version1At`). */
  version1At: Date | undefined;
  /** Whether the fleet has a `manifest.json`. */
  isPublished: boolean;
}

export interface Version1Decision {
  isWritten: boolean;
  /**
   * `configured`: `contract.v1` is `on` or `off`. `old-agents`: a host reported one in the last 30 days. `unproved`: there is one already, and
   * no host, or not each, has said that it reads roots. `no-old-agents`: nobody needs it.
   */
  reason: 'configured' | 'old-agents' | 'unproved' | 'no-old-agents';
}

export function decideVersion1(
  setting: Config['contract']['v1'],
  { summaries, version1At, isPublished }: Version1Evidence,
  now: Date,
): Version1Decision {
  if (setting !== 'auto') return { isWritten: setting === 'on', reason: 'configured' };
  const isRecent = (at: Date) => now.getTime() - at.getTime() < NEEDED_FOR_MS;
  const hosts = Object.values(summaries ?? {});
  const hasOld = hosts.some(
    ({ contract, reportedAt }) => readsVersion1Only(contract) && isRecent(reportedAt),
  );
  if (hasOld || (version1At !== undefined && isRecent(version1At))) {
    return { isWritten: true, reason: 'old-agents' };
  }
  const hasUnknown = hosts.some(({ contract, reportedAt }) => contract === undefined && isRecent(reportedAt));
  const isProved = !hasUnknown && hosts.some(({ contract = 1 }) => !readsVersion1Only(contract));
  return isPublished && !isProved
    ? { isWritten: true, reason: 'unproved' }
    : { isWritten: false, reason: 'no-old-agents' };
}
