/** The one thing that is handed through a pass: what to do, and everything that touches the world while it is done. */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Timing } from './acme/poll.ts';
import type { AuditTrail } from './audit/trail.ts';
import type { Cas } from './ca/ca.ts';
import type { CaaLookup } from './challenge/caa-lookup.ts';
import type { Solvers } from './challenge/solver.ts';
import type { Config } from './config/config.ts';
import type { Log } from './log.ts';
import type { Signing } from './signing/signing-key.ts';

/**
 * Made once, in wiring.ts. A stage that needs little of it takes `Pick<Pass, …>`. Rooms below this file (contract,
 * storage, acme, ocsp, config, challenge, ca) do not know it; order, publication, pass and fleet build on it.
 */
export interface Pass {
  readonly config: Config;
  readonly options: PassOptions;
  readonly bucket: Bucket;
  /** The configured CAs, by directory URL. */
  readonly cas: Cas;
  readonly solvers: Solvers;
  /** CAA records, looked up before a fallback CA is asked; absent: nobody looks. */
  readonly caa?: CaaLookup | undefined;
  /** The key that signs what this pass publishes. */
  readonly signing: Signing;
  /** Who changes what is published, line by line; absent: nobody asks, as in a test. */
  readonly audit?: AuditTrail | undefined;
  /** Fleets that something was ever published to, as listed when the key was opened; absent: the pass lists them. */
  readonly publishedFleets?: readonly FleetName[] | undefined;
  /** Roots that browsers trust, PEM; absent: those that Node.js has of Mozilla. */
  readonly trustedRoots?: readonly string[] | undefined;
  /** The clock, and the time at which the pass has to end. */
  readonly timing: Timing;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface PassOptions {
  /** Decide and say so, change nothing. */
  readonly dryRun?: boolean | undefined;
  /** Renew what is not due. */
  readonly force?: boolean | undefined;
  /** A certificate that browsers do not trust may take the place of one that they do. */
  readonly replaceTrusted?: boolean | undefined;
  /** A fresh key even where `reuseKey` is set: the old one is compromised. */
  readonly freshKey?: boolean | undefined;
  /** Only these certificates. */
  readonly only?: readonly CertificateName[] | undefined;
}
