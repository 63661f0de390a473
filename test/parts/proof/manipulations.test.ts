/** What somebody with full write access to published/ may try: nothing is installed, and the host names it. The table: SECURITY.md. */
import {
  KEY_ROWS,
  NEW_HOST_ROWS,
  PEM_ROWS,
  STAPLE_ROWS,
} from '../../support/proof/manipulation/other-rows.ts';
import { ROOT_ROWS } from '../../support/proof/manipulation/root-rows.ts';
import { testManipulations } from '../../support/proof/manipulation/suite.ts';

testManipulations([...ROOT_ROWS, ...KEY_ROWS, ...PEM_ROWS, ...STAPLE_ROWS, ...NEW_HOST_ROWS], '3.2');
