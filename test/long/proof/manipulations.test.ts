/** What somebody may write to published/, on the versions that `npm test` leaves out. */
import {
  KEY_ROWS,
  NEW_HOST_ROWS,
  PEM_ROWS,
  STAPLE_ROWS,
} from '../../support/proof/manipulation/other-rows.ts';
import { ROOT_ROWS } from '../../support/proof/manipulation/root-rows.ts';
import { testManipulations } from '../../support/proof/manipulation/suite.ts';

const rows = [...ROOT_ROWS, ...KEY_ROWS, ...PEM_ROWS, ...STAPLE_ROWS, ...NEW_HOST_ROWS];
for (const version of ['2.6', '3.0', '3.4'] as const) testManipulations(rows, version);
