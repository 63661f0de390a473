/** What the composition root (main.ts) gives to the passes: settings, clock, chance, log, and the ways out. */
import type { EndedEntry, HostStatus } from '#contract/host-status.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { HostBucket } from '#storage/bucket.ts';
import type { Blocker } from './blocker.ts';
import type { AgentConfig } from './config/config.ts';
import type { DiskFile, Outcome } from './deploy/action.ts';
import type { HostError } from './errors.ts';
import type { CrtListFile } from './haproxy/crt-list-line.ts';
import type { Runtime } from './haproxy/runtime.ts';
import type { HaproxyView } from './haproxy/view.ts';
import type { Log } from './log.ts';
import type { KnownProofs } from './proof/known.ts';
import type { ProcessMemory } from './state/memory.ts';
import type { Ownership } from './state/ownership.ts';
import type { Condition } from './trust/conditions.ts';
import type { Reads } from './trust/published.ts';
import type { PinnedTrust, TrustRecord } from './trust/record.ts';
import type { WireExaminer } from './wire/examiner.ts';

export interface Agent {
  config: AgentConfig;
  version: string;
  /** Opened late and tried again: a bucket out of reach must not keep the last good certificates from HAProxy. */
  openBucket: () => Promise<HostBucket>;
  /** What the parameter says of the issuer's keys, where the settings name one. */
  readTrustParameter?: (() => Promise<PinnedTrust>) | undefined;
  runtime: Runtime;
  /** Several HAProxy on this host, each as an agent of its own that reports through this one. */
  instances?: readonly Agent[] | undefined;
  /** The same for all HAProxy of the host, and for all passes of the process. */
  memory: ProcessMemory;
  /** What handshakes have shown: of the resident agent. A single pass reads it from the state directory. */
  proofs?: KnownProofs | undefined;
  log: Log;
  now: () => Date;
}

export interface PassOptions {
  /** Decide and show, change nothing. */
  isDryRun?: boolean;
  /** Try failed certificates again before their time. */
  ignoresBackOff?: boolean;
  /** HAProxy is not expected to run yet, so it is not reloaded for want of a socket. */
  isBeforeStart?: boolean;
  /**
   * Of those that HAProxy shows as they should be, so many at most are proved by this pass: the rest have their turn between polls.
   * Absent: all that are due.
   */
  provesAtMost?: number;
  /** Finish the certificates in hand (40 at most), then stop. */
  signal?: AbortSignal;
  /** What a look between two passes has noticed (agent/watch/). */
  suspects?: Suspects;
}

/**
 * Files that may not be served as the last pass has left them: no earlier proof of them counts. By the name of the HAProxy; '' where a
 * host has only one.
 */
export type Suspects = ReadonlyMap<string, ReadonlySet<string>>;

export interface PassResult {
  outcomes: Outcome[];
  status: HostStatus;
  /** What keeps the whole host from its certificates. */
  error: Blocker | undefined;
  /**
   * What each poll meets until something changes: `error`, or the lack of a stats socket where reloads and handshakes
   * do without.
   */
  blocker: Blocker | undefined;
  /** What the poll has read, and the code of what is wrong with it as long as it stays the same. */
  published: { reads: Reads; code: string | undefined };
  /** Something was written, loaded, removed. */
  isChanged: boolean;
  /** When the agent tries a certificate again that waits or failed. */
  nextTryAt: Date | undefined;
  /** What it leaves, for each HAProxy. */
  left: readonly LeftHost[];
}

/** `view` as it was before `outcomes`. */
export interface LeftHost {
  view: HostView;
  outcomes: readonly Outcome[];
}

/** What became of a file that the operator gives to the agent. */
export interface Adoption {
  /** As it was named. */
  word: string;
  file: string;
  instance?: string | undefined;
  /** `ours`: it was already; `refused`: nothing at all is adopted. */
  kind: 'adopted' | 'ours' | 'refused';
  message: string;
}

/** `confirm`: the key that the host has is the issuer's; `accept`: from now on this key's manifests count, whatever was before. */
export interface TrustWord {
  kind: 'confirm' | 'accept';
  key: PublicKey;
}

/** Whom one HAProxy's agent trusts, after the operator's word if there was one. */
export interface TrustReport {
  instance: string | undefined;
  trust: TrustRecord | undefined;
  /** Of the manifest in force. */
  sequence: number | undefined;
  signedAt: string | undefined;
  conditions: readonly Condition[];
  /** Why the published manifest is not in force. */
  error: Blocker | undefined;
  result: 'changed' | 'unchanged' | 'refused' | undefined;
  message: string | undefined;
}

/** What a pass sees of its host before it acts. */
export type HostView = ReachableHost | UnreachableHost;

interface HostFacts extends Agent {
  /** Reloads and handshakes do the work alone: see deploy/without-socket.ts. */
  isWithoutSocket: boolean;
  disk: ReadonlyMap<string, DiskFile>;
  proofs: KnownProofs;
  /** Names what binds hand out in the place of ours. */
  wires?: WireExaminer | undefined;
  ownership: Ownership;
  /** Certificates of which the manifest has an older PEM than this host, which keeps its own. */
  olderEntries: ReadonlySet<string>;
  /** PEMs that the manifest names, and that a tombstone has ended. */
  endedEntries: readonly EndedEntry[];
  /** Why neither place takes the records of our files: a PEM that is written now would be a stranger's later. */
  unrecorded?: HostError | undefined;
  /** Where HAProxy loads by a crt-list file. */
  crtListFile: CrtListFile | undefined;
}

export interface ReachableHost extends HostFacts {
  haproxy: HaproxyView;
  /** Why nothing can be loaded in this pass: HAProxy is stopping, or another program had a transaction open. */
  blocker: Blocker | undefined;
}

export interface UnreachableHost extends HostFacts {
  haproxy: undefined;
  /** Why HAProxy is out of reach. */
  blocker: Blocker;
}
