/** Losses of the bucket on the versions that `npm test` leaves out. */
import { testLosses } from '../../support/proof/losses.ts';

for (const version of ['2.6', '3.0', '3.2', '3.4'] as const) testLosses(version);
