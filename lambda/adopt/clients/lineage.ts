/** What adopt knows of another ACME client: its certificates with their settings, and its accounts. */

export type OldClient = 'certbot' | 'acme.sh';

/** How the client proves control of names. */
export type OldChallenge =
  /** It listens itself, while it renews. */
  | { kind: 'standalone'; port: number }
  | { kind: 'webroot'; path: string }
  /** HAProxy answers from the thumbprint of the account. */
  | { kind: 'stateless' }
  | { kind: 'dns'; provider: string }
  | { kind: 'other'; word: string };

/** One certificate of the client, as it renews it. */
export interface Lineage {
  client: OldClient;
  name: string;
  /** Where its settings are. */
  file: string;
  chainFile: string;
  keyFile: string;
  directoryUrl: string;
  /** {@link OldAccount.id} */
  accountId: string;
  challenge: OldChallenge;
  reuseKey: boolean;
  profile: string | undefined;
  preferredChain: string | undefined;
  /** Programs that it starts, each with the setting that names it. */
  hooks: readonly string[];
}

export interface OldAccount {
  client: OldClient;
  id: string;
  directoryUrl: string;
  /** Where its key is. */
  file: string;
  /** PKCS#8 PEM. */
  key: string;
  url: string | undefined;
  contact: readonly string[];
  /** The key identifier of the external account binding. */
  eabKid: string | undefined;
  /** Trust anchors of the CA's own server, where the client has such a file. */
  caFile: string | undefined;
}

/** What there is of one client. */
export interface ClientState {
  client: OldClient;
  home: string;
  lineages: readonly Lineage[];
  accounts: readonly OldAccount[];
  /** What cannot be taken over, and why. */
  problems: readonly string[];
}
