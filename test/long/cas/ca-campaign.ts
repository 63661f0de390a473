/** What a CA must stand, and we with it, that takes longer than a test of `npm test` may. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { assertNothingLeft } from '../../support/issuer/ca-suite.ts';
import { cutAfter } from '../../support/issuer/cut.ts';
import { fleet, named } from '../../support/issuer/documents.ts';
import { type CaStage, ordersAsked } from '../../support/issuer/stage.ts';

export interface CaUnderTest {
  start(t: TestContext): Promise<CaStage>;
  /** An order is not lost whose answer was: the account's list of orders has it (RFC 8555 §7.1.2.1). */
  findsLostOrders: boolean;
}

export function caCampaign(name: string, { start, findsLostOrders }: CaUnderTest): void {
  test(`${name}: fifty certificates at once, each with one order`, async (t) => {
    const stage = await start(t);
    const certificates = Array.from({ length: 50 }, (_, index) => ({ identifiers: [`n${index}.test`] }));

    const config = stage.configOf(certificates, { concurrency: 50 });
    const outcomes = await stage.pass(certificates, {}, { config });

    assert.deepEqual(
      outcomes.filter(({ result }) => result !== 'issued'),
      [],
    );
    assert.equal(new Set(outcomes.map(({ serial }) => serial)).size, 50);
    assert.equal(ordersAsked(stage), 50);
    await assertNothingLeft(stage);
  });

  for (const renews of [false, true]) {
    const what = renews ? 'of a renewal' : 'of a first issue';
    test(`${name}: killed after any request ${what}, the next pass goes on, and publishes once`, async (t) => {
      const stage = await start(t);
      let call = 1;
      while (await isKilledAt(stage, call, { renews, findsLostOrders })) call += 1;
      assert.ok(call > 7, `only ${call} requests`);
    });
  }
}

/** @returns false if the pass had fewer requests */
async function isKilledAt(
  stage: CaStage,
  call: number,
  { renews, findsLostOrders }: { renews: boolean; findsLostOrders: boolean },
): Promise<boolean> {
  const name = `k${call}.test`;
  const certificates = [{ identifiers: [name, `www.${name}`] }];
  if (renews) await stage.pass(certificates);
  const before = ordersAsked(stage);
  const cut = cutAfter(stage, call);
  await cut.pass(certificates, { force: renews });
  if (!cut.isCut()) return false;
  stage.advance(2 * MINUTE_MS);
  const records = await stage.bucket.list(layout.orders);

  const [issued] = await stage.pass(certificates, { force: renews && records.length === 0 });

  const says = `killed after request ${call}`;
  assert.equal(issued?.result, 'issued', `${says}: ${issued?.error?.message}`);
  assert.equal((await stage.bucket.list(layout.pems(fleet, named(name)))).length, renews ? 2 : 1, says);
  const orders = ordersAsked(stage) - before;
  assert.ok(orders === 1 || (orders === 2 && !findsLostOrders), `${says}: ${orders} orders`);
  await assertNothingLeft(stage);
  return true;
}
