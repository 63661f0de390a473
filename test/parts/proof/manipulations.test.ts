/** What somebody with full write access to published/ may try: nothing is installed, and the host names it. The table: SECURITY.md. */
import { PEM_ROWS } from '../../support/proof/manipulation/other-rows.ts';
import { testManipulations } from '../../support/proof/manipulation/suite.ts';

testManipulations(PEM_ROWS, '3.2');
