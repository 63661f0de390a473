// The table of docs/fleet-truth.md on the versions that `npm test` leaves out.
import { testReadOnly } from '../../support/truth/read-only.ts';
import { testTruth } from '../../support/truth/table.ts';

for (const version of ['2.6', '3.0', '3.4'] as const) {
  testTruth(version);
  testReadOnly(version);
}
