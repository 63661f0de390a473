// Every row of bad input on the versions that `npm test` leaves out.
import { test } from 'node:test';
import { assertNoSecretWasSaid, everyRow } from '../../support/agent/bad-input.ts';

for (const version of ['2.6', '3.0'] as const) {
  test(`bad input, HAProxy ${version}`, (t) => everyRow(t, version));
}
test('none of this says a word of a private key', assertNoSecretWasSaid);
