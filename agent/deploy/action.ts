/** What a pass is about to do with one file, how far it got, and how it ended. */
import type { DesiredFile } from '../desired/files.ts';
import type { RuntimeErrorCode } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';

/** How far a certificate got; filled in on the way, because a failure must not hide it. */
export interface Progress {
  isWritten?: boolean;
  isLoaded?: boolean;
  /** Its line in the crt-list file was written. */
  isListed?: boolean;
  certificate?: CertificateStatus | undefined;
  handshakes?: string[];
  /** The OCSP response that HAProxy now has; none: it is not to have any. */
  staple?: { sha256: string | undefined };
  /** The certificate goes on without it. */
  stapleError?: unknown;
}

export interface DiskFile {
  /** Empty: it cannot be read (a directory, a loop of links); installing says why. */
  sha256: string;
  /** A plain file with the configured mode and owner. */
  isGuarded: boolean;
}

export type ActionKind =
  /** Fetch, write, load: not there yet; another one published; changed or gone behind our back. */
  | 'install'
  | 'update'
  | 'repair'
  /** The file is right, HAProxy does not hold it. */
  | 'load'
  /** The certificate is right; its OCSP response is not: another one published, expired, unknown to HAProxy. */
  | 'staple'
  /** The certificate is right; its line in the crt-list file, or HAProxy's entry of it, is not. */
  | 'list'
  /** HAProxy holds it, no handshake has shown it yet. */
  | 'prove'
  | 'keep'
  /** Failed lately, and nothing new was published. */
  | 'backed-off'
  /** The file is right; HAProxy will read it when it is reachable, or at its next reload. */
  | 'pending'
  | 'needs-reload'
  /** No longer in the manifest: remove our file; forget a file that somebody else has changed. */
  | 'remove'
  | 'forget';

export interface Action {
  kind: ActionKind;
  file: string;
  certificate: string;
  reason: string;
  /** Why HAProxy cannot take it at run time. */
  code?: RuntimeErrorCode;
  desired?: DesiredFile;
  /** Until all is loaded and removed, another file may be handed out for its names. */
  isProvedLast?: boolean;
}

/** Whether it hands something to HAProxy. */
export function isLoading({ kind }: Action): boolean {
  return ['install', 'update', 'repair', 'load', 'staple', 'list'].includes(kind);
}

/** How an action ended; `error` is what a catch caught. */
export interface Outcome {
  action: Action;
  progress: Progress;
  /** Of several HAProxy on the host, the one that it was for. */
  instance?: string;
  error?: unknown;
}

export type ReloadDecision =
  | { kind: 'not-needed' }
  | { kind: 'reload'; wish: string }
  /** Another one was made a short while ago. */
  | { kind: 'wait'; until: Date }
  /** It was reloaded for just these files, and did not take them: its configuration does not name them. */
  | { kind: 'in-vain' };
