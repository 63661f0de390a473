/** The port of a challenge type (RFC 8555 §8): `present` and `cleanUp`, called for all challenges of an order together. */

export interface PresentedChallenge {
  /** DNS name without a wildcard label, or IP address. */
  identifier: string;
  /** Holds only characters of base64url (§8.1): checked before a solver sees it. */
  token: string;
  /** `<token>.<account thumbprint>` */
  keyAuthorization: string;
}

export interface ChallengeSolver {
  /** As the CA names it. */
  readonly type: 'http-01' | 'dns-01';

  /** The solver coalesces the challenges of many orders: the pass runs all of them at once, or they would wait in rows. */
  readonly isBatched?: boolean;

  /** Makes the answer visible, or begins to. MUST be idempotent: a resumed order presents again. */
  present(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** Removes what `present` put, and nothing else. MUST succeed where nothing was presented. */
  cleanUp(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** For a dry run's reader: where the CA will look for the answers of these DNS names, a line each. MUST change nothing. */
  locations?(identifiers: readonly string[]): Promise<string[]>;

  /** Closes the connections that it has opened. */
  close?(): void;
}
