export interface DebianMirror {
  uri: string;
  /** a keyring's path, or a key itself */
  signedBy?: string;
  /** an unsigned one: a test's own */
  isTrusted?: boolean;
}
export function findDebianMirror(etc?: string): DebianMirror;

/** A suite that apt-get has read. */
export interface OpenedSuite {
  suite: string;
}
export function openSuite(suite: string, workDir: string, mirror?: DebianMirror): Promise<OpenedSuite>;
export function versionsOf(opened: OpenedSuite, name: string): Promise<string[]>;
