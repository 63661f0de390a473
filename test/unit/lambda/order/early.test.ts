/** A certificate that is not valid yet: our clock may be wrong, or the CA. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { PemRejected } from '#contract/errors.ts';
import type { OrderLeg } from '../../../../lambda/order/leg.ts';
import { ClockDiffers, checkLasts, verifyIssued } from '../../../../lambda/order/verify-issued.ts';
import { after } from '../../../support/clock.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const pki = await createPki();
const now = new Date();
const { acme } = makeConfig([{ identifiers: ['a.test'] }]);

for (const [says, beginsIn, caAhead, isKept] of [
  ['in a minute', MINUTE_MS, 0, true],
  ['in 30 days, as the clock of the CA says: ours is wrong', 30 * DAY_MS, 30 * DAY_MS, true],
  ['in 30 days, by clocks that are the same', 30 * DAY_MS, 0, false],
  ['in 30 days, by clocks that are a day apart', 30 * DAY_MS, DAY_MS, false],
] as const) {
  test(`the order of a certificate that begins ${says} is ${isKept ? 'kept' : 'of no use'}`, async () => {
    const { leafPem, keyPem } = await pki.issue({
      names: ['a.test'],
      notBefore: after(now, beginsIn),
      notAfter: after(now, 60 * DAY_MS),
    });
    const leg = { key: keyPem, keyType: 'ec256', record: { identifiers: ['a.test'] } } as unknown as OrderLeg;
    const clocks = { now: () => now, caNow: () => after(now, caAhead) };

    const error = thrownBy(PemRejected, () =>
      verifyIssued([leafPem, pki.intermediatePem], leg, acme, clocks),
    );

    assert.equal(error instanceof ClockDiffers, isKept, String(error));
    assert.equal(error.code, 'ERR_PEM_VALIDITY');
  });
}

test('what ends within the hour takes the place of nothing that lasts longer', () => {
  const until = (ms: number) => ({ notAfter: after(now, ms).toISOString() });
  const rows = [
    // issued, in force, whether it is refused
    [[30_000], [89 * DAY_MS], true],
    [[89 * DAY_MS, 30_000], [89 * DAY_MS, 88 * DAY_MS], true],
    [[30_000], [10_000], false],
    [[30_000], undefined, false],
    [[61 * MINUTE_MS], [89 * DAY_MS], false],
    [[-1], [DAY_MS], true],
  ] as const;
  for (const [issued, inForce, isRefused] of rows) {
    const check = () => checkLasts(issued.map(until), inForce?.map(until), now);

    if (isRefused) {
      assert.match(
        thrownBy(PemRejected, check).message,
        /ends at .*, within the hour, and what is in force lasts/,
      );
    } else check();
  }
});
