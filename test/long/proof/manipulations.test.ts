/** What somebody may write to published/, on the versions that `npm test` leaves out. */
import { PEM_ROWS } from '../../support/proof/manipulation/other-rows.ts';
import { testManipulations } from '../../support/proof/manipulation/suite.ts';

for (const version of ['2.6', '3.0', '3.4'] as const) testManipulations(PEM_ROWS, version);
