/** What a pass does with one file, what of it was done, and how it ended. */
import type { DesiredFile } from '../desired/files.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import type { Unproven } from '../proof/record.ts';
import type { RuntimeErrorCode } from '../reactions.ts';

export interface DiskFile {
  /** Empty: it is no plain file, or cannot be read; installing says why. */
  sha256: string;
  /** All names of its leaf, ordered or not. */
  names?: readonly string[];
  /** It has the configured mode and owner. */
  isGuarded: boolean;
  /** Of the file when it was read (`stampOf`). */
  stamp?: string;
}

export type LoadingKind =
  /** Fetch, write, load: the file is not there yet; a new one is published; it was changed or deleted. */
  | 'install'
  | 'update'
  | 'repair'
  /** The file is right, HAProxy does not hold it. */
  | 'load'
  /** The certificate is right; its OCSP response is not: a new one is published, it has expired, HAProxy lacks it. */
  | 'staple'
  /** The certificate is right; its line in the crt-list file, or HAProxy's entry of it, is not. */
  | 'list';

export type NonLoadingKind =
  /** HAProxy holds it, no handshake has shown it yet. */
  | 'prove'
  | 'keep'
  /** Failed lately, and nothing new was published. */
  | 'backed-off'
  /** The manifest's crt-list line is wrong, and the crt-list has none for it: nothing of it is written. */
  | 'refused'
  /** The file is right; HAProxy reads it when it is reachable. */
  | 'pending'
  /** Another program's file has the name: it stays as it is, and so does HAProxy's certificate. */
  | 'not-ours';

/** HAProxy's next reload does it; `code`: why the Runtime API cannot. */
export interface NeedsReload {
  kind: 'needs-reload';
  reason: string;
  code: RuntimeErrorCode;
}

/** What to do with a file that this host is to have, and why: the manifest names it, or does not end it. */
export type FileDecision = { kind: LoadingKind | NonLoadingKind; reason: string } | NeedsReload;

export type RemovalKind =
  | 'remove'
  /** Another program has changed or deleted the file: what is there stays, and is no longer ours. */
  | 'forget'
  /** HAProxy is out of reach, and may name it. */
  | 'pending';

/** What to do with a file of ours that a tombstone has ended, that has expired, or that is ours no longer. */
type RemovalDecision = { kind: RemovalKind; reason: string } | NeedsReload;

export type DesiredAction = FileDecision & {
  file: string;
  certificate: string;
  desired: DesiredFile;
  /** Until all is loaded and removed, HAProxy may hand out another file for its names. */
  isProvedLast: boolean;
  /** The file on disk is not what the agent wrote there: a key in it is kept. */
  hasForeignContent?: boolean;
  /** Another program has put an OCSP response beside it, which stays. */
  hasForeignStaple?: boolean;
  /** An earlier pass has logged that the manifest does not name it. */
  isKnown?: boolean;
  /** Handshakes have shown it before, and are due again: no news as long as they show the same. */
  isProofRenewed?: boolean;
};

export type RemovalAction = RemovalDecision & {
  file: string;
  certificate: string;
  /** An earlier pass has logged that it waits for a reload. */
  isKnown?: boolean;
  /** A tombstone or its age ends it. */
  isEnded?: boolean;
  hasForeignStaple?: boolean;
  desired?: undefined;
  isProvedLast?: undefined;
};

export type Action = DesiredAction | RemovalAction;
export type ActionKind = Action['kind'];

type LoadingAction = DesiredAction & { kind: LoadingKind };
export type DeployingAction = DesiredAction & { kind: LoadingKind | 'prove' };
export type RemovingAction = RemovalAction & { kind: 'remove' };

const LOADING: ReadonlySet<string> = new Set<LoadingKind>([
  'install',
  'update',
  'repair',
  'load',
  'staple',
  'list',
]);

/** Whether it hands something to HAProxy. */
export function isLoading(action: Action): action is LoadingAction {
  return LOADING.has(action.kind);
}

/** Whether it ends with a handshake. */
export function isDeploying(action: Action): action is DeployingAction {
  return isLoading(action) || action.kind === 'prove';
}

/** What a deployment has done; where it failed, what it had done until then. */
export interface Deployed {
  isWritten: boolean;
  /** Its leaf has names that the plan did not know: nobody ordered them, and other files may have them, too. */
  hasOtherNames: boolean;
  /** The file of a certificate that left the manifest was removed. */
  isRemoved?: boolean;
  /** Its line in the crt-list file was written. */
  isListed: boolean;
  isLoaded: boolean;
  /** What HAProxy shows of it afterwards. */
  certificate: CertificateStatus | undefined;
  /** Binds that hand it out; `undefined`: no handshake was made. */
  handshakes: readonly string[] | undefined;
  /** Binds on which no handshake can show it, and why. */
  unproven?: readonly Unproven[];
  /** The OCSP response that HAProxy now has, if any; `undefined`: as before. */
  staple: { sha256: string | undefined } | undefined;
  /** Why it is deployed without its OCSP response. */
  stapleError: unknown;
  /** Why it is deployed with the crt-list line that it had before. */
  lineError: unknown;
}

export const NOTHING_DEPLOYED: Deployed = {
  isWritten: false,
  hasOtherNames: false,
  isListed: false,
  isLoaded: false,
  certificate: undefined,
  handshakes: undefined,
  staple: undefined,
  stapleError: undefined,
  lineError: undefined,
};

/** Carries what was done before it; `cause` is what is logged and recorded. */
export class DeployFailed extends Error {
  override name = 'DeployFailed';
  readonly deployed: Deployed;

  constructor(cause: unknown, deployed: Deployed) {
    super('not deployed', { cause });
    this.deployed = deployed;
  }

  /** A failure that carries what was done already knows more than `deployed`. */
  static from(error: unknown, deployed: Deployed): DeployFailed {
    return error instanceof DeployFailed ? error : new DeployFailed(error, deployed);
  }
}

/** How an action ended. */
export type Outcome<A extends Action = Action> = DoneOutcome<A> | FailedOutcome<A>;

export interface DoneOutcome<A extends Action = Action> {
  kind: 'done';
  action: A;
  deployed: Deployed;
  /** The HAProxy that it was for, where the host has several. */
  instance?: string;
}

export interface FailedOutcome<A extends Action = Action> {
  kind: 'failed';
  action: A;
  deployed: Deployed;
  error: unknown;
  instance?: string;
}

export function doneOutcome<A extends Action>(action: A, deployed = NOTHING_DEPLOYED): DoneOutcome<A> {
  return { kind: 'done', action, deployed };
}

/** @param deployed before the step that failed */
export function failedOutcome<A extends Action>(
  action: A,
  error: unknown,
  deployed = NOTHING_DEPLOYED,
): FailedOutcome<A> {
  const failure = DeployFailed.from(error, deployed);
  return { kind: 'failed', action, deployed: failure.deployed, error: failure.cause };
}

export function isOfDesired(outcome: Outcome): outcome is Outcome<DesiredAction> {
  return outcome.action.desired !== undefined;
}

export type ReloadDecision =
  | { kind: 'not-needed' }
  | { kind: 'reload'; filesDigest: string }
  /** The last reload was made, or tried, a short while ago. */
  | { kind: 'wait'; until: Date }
  /** HAProxy was reloaded for just these files, and did not take them: its configuration does not name them. */
  | { kind: 'in-vain' };
