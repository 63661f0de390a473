/** The port of a challenge type (RFC 8555 §8): `present` and `cleanUp`, called for all challenges of an order together. */
import type { ChallengeName } from '../config/challenge.ts';

export interface PresentedChallenge {
  /** DNS name without a wildcard label, or IP address. */
  identifier: string;
  /** Holds only characters of base64url (§8.1): checked before a solver sees it. */
  token: string;
  /** `<token>.<account thumbprint>` */
  keyAuthorization: string;
  /** What the CA wants to find in a record that stays; of dns-persist-01 only, which has no token. */
  persist?: PersistTerms | undefined;
}

/** What a record at `_validation-persist` has to say (draft-ietf-acme-dns-persist §4.1). */
export interface PersistTerms {
  /** One of them names the CA. */
  readonly issuerDomainNames: readonly string[];
  /** Of our account, in the forms that this CA may take. The first is the one to publish. */
  readonly accountUris: readonly string[];
  /** Under this prefix the CA may take forms that cannot be computed here: of earlier account keys. */
  readonly accountHashPrefix: string | undefined;
  /** The order names the wildcard of the identifier: the record needs `policy=wildcard`. */
  readonly isWildcard: boolean;
}

export interface ChallengeSolver {
  /** As the CA names it. */
  readonly type: 'http-01' | 'dns-01' | 'dns-persist-01';

  /** There is nothing to remove, and nothing to remember for it. */
  readonly leavesNothing?: boolean;

  /** Makes the answer visible, or begins to. MUST be idempotent: a resumed order presents again. */
  present(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** Removes what `present` put, and nothing else. MUST succeed where nothing was presented. */
  cleanUp(challenges: readonly PresentedChallenge[]): Promise<void>;

  /** For a dry run's reader: where the CA will look for the answers of these DNS names, a line each. MUST change nothing. */
  locations?(identifiers: readonly string[]): Promise<string[]>;

  /** Whether `present` may write for these DNS names, by a change that cannot change anything. */
  checkRights?(identifiers: readonly string[]): Promise<ZoneRights[]>;

  /** Closes the connections that it has opened. */
  close?(): void;
}

export interface ZoneRights {
  identifier: string;
  /** Record and zone; absent: the zone was not found. */
  location?: string;
  /** Why the record cannot be written. */
  problem?: string;
}

/** The solvers of a pass: one for each challenge that is used, opened when it is first needed. */
export interface Solvers {
  of(challenge: ChallengeName): Promise<ChallengeSolver>;
  /** Closes those that were opened. */
  close(): Promise<void>;
}

/** Its solver coalesces the challenges of many orders: the pass runs all of them at once, or they would wait in rows. */
export function isBatched(challenge: ChallengeName | undefined): boolean {
  return challenge === 'dns-01';
}
