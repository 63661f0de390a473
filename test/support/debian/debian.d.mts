export interface DebianMirror {
  uri: string;
  /** a keyring's path, or a key itself */
  signedBy?: string;
}
export function findDebianMirror(etc?: string): DebianMirror;
