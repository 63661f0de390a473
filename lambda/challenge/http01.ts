/** HTTP-01 (RFC 8555 §8.3): the solver puts the key authorization into the bucket, the responder serves it. */
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { ChallengeSolver } from './solver.ts';

export function http01Solver(bucket: Bucket): ChallengeSolver {
  return {
    type: 'http-01',
    present: async (challenges) => {
      await Promise.all(
        challenges.map(({ token, keyAuthorization }) =>
          bucket.put(layout.challenge(token), keyAuthorization),
        ),
      );
    },
    cleanUp: async (challenges) => {
      await Promise.all(challenges.map(({ token }) => bucket.delete(layout.challenge(token))));
    },
  };
}
