/** Requests that standing still and renewing cost: the tests named here measure them, docs/deploy.md's cost table is computed from them. */
export const COUNTS = {
  /** A poll with nothing new: test/e2e/aws.test.ts. */
  idlePoll: { get: 1 },
  /** A pass over nothing due, with one fleet: test/parts/issuer/idle.test.ts. */
  idlePass: { get: 12, list: 8 },
  /** Once an hour: two writes and a listing: test/unit/lambda/identity/writers.test.ts. */
  writersName: { put: 3 },
  /** For each host that has reported since the pass before; and once for all of them: test/parts/issuer/idle.test.ts. */
  changedStatus: { get: 1 },
  changedBook: { put: 1 },
  /**
   * A certificate of one PEM, from order to manifest, alone in its commit; one of several that a pass renews has one less. Deletions are
   * free: test/cdk/asset-run.test.ts.
   */
  renewal: { put: 6 },
} as const;
