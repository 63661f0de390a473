/** Losses of the bucket on the versions that `npm test` leaves out, one of them today. */
import { testLosses } from '../../support/proof/losses.ts';
import { shareOf } from '../../support/turn.ts';

for (const version of shareOf(['2.6', '3.0', '3.4'] as const, 3)) testLosses(version);
