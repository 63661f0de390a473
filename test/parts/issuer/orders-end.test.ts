/** Orders that a CA does not end, hands out oddly, or that only a wrong clock refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { Transport } from '../../../lambda/acme/transport.ts';
import { readOrderRecords } from '../../../lambda/order/record.ts';
import { edited, withMembers } from '../../support/issuer/edited.ts';
import { answer, refuse } from '../../support/issuer/fake-ca.ts';
import { ordersAsked, type Stage, startStage } from '../../support/issuer/stage.ts';

const certificates = [{ identifiers: ['a.test'] }];
const recordOf = async (stage: Stage) => (await readOrderRecords(stage.bucket)).records.get('a.test')?.record;
const statusesOf = (stage: Stage, event: 'order.abandoned' | 'order.resumed') =>
  stage.events.fieldsOf(event).map(({ status }) => status);

/** Says that it still issues, and wants to be asked again in an hour. */
const processing = (exchange: Transport): Transport => {
  const edit = withMembers({ status: 'processing', certificate: undefined }, { 'retry-after': '3600' });
  return edited(edited(exchange, '/my-order/', edit), '/finalize-order/', edit);
};

test('an order in processing is looked at again at the end of the pass and in each later one, whatever Retry-After says', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  let looks = 0;
  const slow = processing(stage.exchange);
  const later: Transport = (method, url, body) => {
    looks += Number(url.includes('/my-order/'));
    return (looks > 2 ? stage.exchange : slow)(method, url, body);
  };

  const [waiting] = await stage.pass(certificates, {}, { cas: stage.casBy(later) });
  const failures = (await recordOf(stage))?.failures;
  assert.equal(looks, 2, 'the answer to finalize has said when to look: the two requests of the second look');
  stage.advance(MINUTE_MS);
  const [issued] = await stage.pass(certificates, {}, { cas: stage.casBy(later) });

  assert.deepEqual([waiting?.error?.code, failures], ['ERR_ACME_DEADLINE', 0]);
  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(ordersAsked(stage), 1);
});

test('an order that has been processing for an hour is the fault of the CA, and the next attempt places another one', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  const cas = stage.casBy(processing(stage.exchange));
  await stage.pass(certificates, {}, { cas });
  stage.advance(HOUR_MS);

  const [stuck] = await stage.pass(certificates, {}, { cas });
  const record = await recordOf(stage);
  stage.advance(2 * MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.equal(stuck?.error?.code, 'ERR_ACME_STUCK');
  assert.deepEqual([record?.failures, record?.lastFailure?.isCaFault], [1, true]);
  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(ordersAsked(stage), 2);
  assert.deepEqual(statusesOf(stage, 'order.abandoned'), ['processing']);
});

test('an order in processing: a second CA is asked after an hour, in an emergency in the same pass', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  const [first, second] = ['https://slow.test/dir', stage.pebble.directoryUrl];
  const [acme, fallback] = [first, second].map((directoryUrl) => ({
    directoryUrl,
    termsOfServiceAgreed: true,
  }));
  const config = stage.configOf(certificates, { acme, fallback: [fallback] });
  const slow = stage.casBy(processing(stage.exchange)).get(second);
  const good = stage.casBy(stage.exchange).get(second);
  assert.ok(slow && good && acme);
  const slowSettings = { ...slow.settings, directoryUrl: first };
  const cas = new Map([
    [first, { ...slow, settings: slowSettings }],
    [second, good],
  ]);

  const [waiting] = await stage.pass(certificates, {}, { config, cas });
  stage.advance(HOUR_MS);
  const [stuck] = await stage.pass(certificates, {}, { config, cas });
  const [issued] = await stage.pass(certificates, {}, { config, cas });
  assert.deepEqual(
    [waiting, stuck, issued].map((outcome) => outcome?.error?.code ?? outcome?.reason),
    ['ERR_ACME_DEADLINE', 'ERR_ACME_STUCK', 'ca-failing'],
  );
  // Of 90 days a twentieth is four and a half.
  stage.advance(87 * DAY_MS);
  const [renewed] = await stage.pass(certificates, {}, { config, cas });

  assert.deepEqual([renewed?.result, renewed?.reason], ['issued', 'ca-failing'], renewed?.error?.message);
  assert.equal(stage.events.fieldsOf('order.created').length, 4, 'two in each of the attempts');
});

for (const [what, isListed, list] of [
  ['is a bare array', true, (urls: string[]) => answer(urls)],
  ['is refused', false, () => refuse('serverInternal', 500)],
  ['is a page of a proxy', false, () => answer('<html>')],
  ['names what is no order', false, () => answer({ orders: [7, null, 'http://', 'https://127.0.0.1:1/x'] })],
] as const) {
  test(`an order whose URL was lost, and the list of the account ${what}: ${isListed ? 'it is found' : 'another is placed'}`, async (t) => {
    const stage = await startStage(t, { authzReuse: 0 });
    stage.failNext(({ url }) => url.includes('/order-plz'), 'answer');
    await stage.pass(certificates);
    stage.advance(MINUTE_MS);
    const exchange = edited(stage.exchange, '/list-orderz/', ({ data, headers }) => {
      const { orders } = data as { orders: string[] };
      return { ...list(orders), headers };
    });

    const [issued] = await stage.pass(certificates, {}, { cas: stage.casBy(exchange) });

    assert.equal(issued?.result, 'issued', issued?.error?.message);
    assert.equal(ordersAsked(stage), isListed ? 1 : 2);
  });
}

test('the list of the account is not read after a newOrder that the CA has refused', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  const refusing: Transport = async (method, url, body) =>
    url.includes('/order-plz') ? refuse('rejectedIdentifier') : stage.exchange(method, url, body);
  await stage.pass(certificates, {}, { cas: stage.casBy(refusing) });
  stage.advance(2 * MINUTE_MS);

  const [issued] = await stage.pass(certificates);

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.ok(!stage.exchanged.some(({ url }) => url.includes('/list-orderz/')));
});

test('an order that has expired by the clock of the CA is replaced, one that has expired by ours alone is not', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  stage.failNext(({ url }) => url.includes('/authZ/'), 'request');
  await stage.pass(certificates);
  // Pebble's orders live for a day.
  stage.advance(2 * DAY_MS);
  stage.failNext(({ url }) => url.includes('/authZ/'), 'request');
  await stage.pass(certificates);
  assert.deepEqual(statusesOf(stage, 'order.resumed'), ['pending']);
  stage.advance(DAY_MS);
  const date = new Date(stage.now().getTime()).toUTCString();
  const inThreeDays = edited(stage.exchange, '/my-order/', (response) => ({
    ...response,
    headers: { ...response.headers, date },
  }));

  const [issued] = await stage.pass(certificates, {}, { cas: stage.casBy(inThreeDays) });

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.deepEqual(statusesOf(stage, 'order.abandoned'), ['expired']);
  assert.equal(ordersAsked(stage), 2);
});

test('a clock that is two days behind costs one certificate, which is published when the clock is right', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  stage.advance(-2 * DAY_MS);

  for (let attempt = 0; attempt < 4; attempt += 1) {
    const [refused] = await stage.pass(certificates, {}, {});
    assert.equal(refused?.error?.code, 'ERR_PEM_VALIDITY', refused?.result);
    assert.match(refused.error.message, /not yet valid.* at the CA: set the clock; the order is kept/);
    stage.advance(101 * MINUTE_MS);
  }
  stage.advance(2 * DAY_MS - 4 * 101 * MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(ordersAsked(stage), 1);
});

test('a certificate that ends within the hour does not replace one that lasts: the order failed, and the next is another', async (t) => {
  const profiles = {
    default: { description: '90 days', validityPeriod: 90 * 86_400 },
    brief: { description: 'a mistake of the CA', validityPeriod: 1200 },
  };
  const stage = await startStage(t, { authzReuse: 0, profiles });
  const issuedAs = (profile: string) => stage.pass([{ ...certificates[0], profile }]);
  const [first] = await issuedAs('default');

  const [refused] = await issuedAs('brief');
  const [kept] = await issuedAs('default');

  assert.deepEqual([first?.result, refused?.result, kept?.result], ['issued', 'failed', 'kept']);
  assert.match(String(refused?.error?.message), /within the hour, and what is in force lasts until/);
  assert.equal(kept?.serial, first?.serial);
});
