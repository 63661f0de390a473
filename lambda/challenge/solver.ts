/** The port of a challenge type (RFC 8555 §8): three verbs, called for all challenges of an order together. */

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

  /** Challenges of many orders are presented together: all orders of a pass go at once, or they would wait in rows. */
  readonly isBatched?: boolean;

  /** Makes the answer visible, or begins to. MUST be idempotent: a resumed order presents again. */
  present(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** Takes away what `present` put, and nothing else. MUST succeed where nothing was presented. */
  cleanUp(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** For people: where the CA will look for the answers of these DNS names, a line each. Changes nothing. */
  places?(identifiers: readonly string[]): Promise<string[]>;

  /** Connections that it has opened. */
  close?(): void;
}
