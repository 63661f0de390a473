export interface Peer {
  /** what to put before its arguments */
  command: string[];
  env: Record<string, string>;
  version: string;
}
/** @param say told while it fetches */
export function fetchPeer(name: string, say: (line: string) => void): Promise<Peer>;
