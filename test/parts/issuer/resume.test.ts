/** The next pass continues one that broke off anywhere, with the same key and the same order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { verify } from '#contract/combined-pem.ts';
import { layout } from '#contract/layout.ts';
import type { Transport } from '../../../lambda/acme/transport.ts';
import { readOrderRecords } from '../../../lambda/order/record.ts';
import type { Outcome } from '../../../lambda/outcome.ts';
import { interposed } from '../../support/bucket/interposed.ts';
import { fleet, named } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { type Exchange, ordersAsked, type Stage, startStage } from '../../support/issuer/stage.ts';
import { base64Lines } from '../../support/odd-certificates.ts';

const certificates = [{ identifiers: ['a.test', 'b.test'] }];
const to =
  (part: string) =>
  ({ url }: Exchange) =>
    url.includes(part);

const BREAKS: [
  says: string,
  fits: (exchange: Exchange) => boolean,
  lost: 'request' | 'answer',
  status: string,
][] = [
  ['before the authorizations were read', to('/authZ/'), 'request', 'pending'],
  ['before a challenge was responded to', to('/chalZ/'), 'request', 'pending'],
  // The challenge has reached the CA, which may have validated it meanwhile (RFC 8555 §7.1.6).
  ['after a challenge was responded to', to('/chalZ/'), 'answer', '(pending|ready)'],
  ['before it was finalized', to('/finalize-order/'), 'request', 'ready'],
  ['after it was finalized', to('/finalize-order/'), 'answer', '(processing|valid)'],
  ['before the certificate was downloaded', to('/certZ/'), 'request', 'valid'],
  ['while the certificate was downloaded', to('/certZ/'), 'answer', 'valid'],
];

for (const [says, fits, lost, status] of BREAKS) {
  test(`an order that broke off ${says} is resumed as ${status}`, async (t) => {
    const stage = await startStage(t, { authzReuse: 0 });
    stage.failNext(fits, lost);

    const [failed] = await stage.pass(certificates);
    const record = (await readOrderRecords(stage.bucket)).records.get('a.test')?.record;
    stage.advance(MINUTE_MS);
    const [issued] = await stage.pass(certificates);

    assert.deepEqual([failed?.result, failed?.error?.code], ['failed', 'ERR_ACME_UNREACHABLE']);
    assert.deepEqual([issued?.result, issued?.reason], ['issued', 'retry'], issued?.error?.message);
    assert.equal(ordersAsked(stage), 1);
    const [resumed] = stage.events.fieldsOf('order.resumed');
    assert.equal(resumed?.['order'], record?.legs[0]?.orderUrl);
    assert.match(String(resumed?.['status']), new RegExp(`^${status}$`));
    await assertPublished(stage, record?.legs[0]?.key ?? '');
  });
}

test('an order whose URL was lost is found in the list of the account, and not ordered again', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  stage.failNext(to('/order-plz'), 'answer');

  await stage.pass(certificates);
  const record = (await readOrderRecords(stage.bucket)).records.get('a.test')?.record;
  stage.advance(MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.equal(record?.legs[0]?.orderUrl, undefined);
  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(ordersAsked(stage), 1);
  await assertPublished(stage, record?.legs[0]?.key ?? '');
});

test('an order of an account that was lost is given up, and its certificate ordered by the new one', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  stage.failNext(to('/finalize-order/'), 'request');
  await stage.pass(certificates);
  await stage.bucket.delete(layout.account(stage.pebble.directoryUrl));
  stage.advance(MINUTE_MS);

  const [issued] = await stage.pass(certificates);

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.deepEqual(
    stage.events.fieldsOf('order.abandoned').map(({ status }) => status),
    ['gone'],
  );
});

test('a certificate that was issued but not published is published by the next pass, without another order', async (t) => {
  const stage = await startStage(t);
  const manifest = layout.root(fleet);
  const failing = interposed(stage.bucket, {
    put: (key, ...rest) =>
      key === manifest ? Promise.reject(new Error('disk full')) : stage.bucket.put(key, ...rest),
  });

  const [failed] = await stage.pass(certificates, {}, { bucket: failing });
  const record = (await readOrderRecords(stage.bucket)).records.get('a.test')?.record;
  stage.advance(MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.deepEqual([failed?.result, issued?.result], ['failed', 'issued']);
  assert.equal(ordersAsked(stage), 1);
  await assertPublished(stage, record?.legs[0]?.key ?? '');
});

test('renewals share a commit; where the pass ends before it, the next one publishes them without another order', async (t) => {
  const stage = await startStage(t);
  const both = ['a.test', 'b.test'].map((name) => ({ identifiers: [name] }));
  await stage.pass(both);
  const manifest = layout.root(fleet);
  const before = (await readPublished(stage.bucket, fleet))?.etag;
  let commits = 0;
  const dying = interposed(stage.bucket, {
    put: (key, ...rest) => {
      if (key !== manifest) return stage.bucket.put(key, ...rest);
      commits += 1;
      return Promise.reject(new Error('killed'));
    },
  });

  const killed = await stage.pass(both, { force: true }, { bucket: dying });
  const { records } = await readOrderRecords(stage.bucket);
  assert.deepEqual([commits, (await readPublished(stage.bucket, fleet))?.etag], [1, before]);
  assert.deepEqual([...records.keys()].sort(), ['a.test', 'b.test']);
  stage.advance(MINUTE_MS);
  const issued = await stage.pass(both);

  const resultsOf = (outcomes: typeof issued) => outcomes.map(({ result }) => result);
  assert.deepEqual(
    [resultsOf(killed), resultsOf(issued)],
    [
      ['failed', 'failed'],
      ['issued', 'issued'],
    ],
  );
  assert.equal(ordersAsked(stage), 4, stage.events.names().join(', '));
  const { certificates: published = {} } = (await readPublished(stage.bucket, fleet))?.manifest ?? {};
  assert.deepEqual(
    Object.values(published).map(({ previous }) => previous?.pems.length),
    [1, 1],
  );
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
});

test('a certificate that was published but whose record stayed is not published again', async (t) => {
  const stage = await startStage(t);
  const failing = interposed(stage.bucket, {
    delete: (key) =>
      key.startsWith(layout.orders) ? Promise.reject(new Error('killed')) : stage.bucket.delete(key),
  });
  await stage.pass(certificates, {}, { bucket: failing });
  const before = (await readPublished(stage.bucket, fleet))?.etag;
  stage.advance(MINUTE_MS);

  const [issued] = await stage.pass(certificates);

  assert.equal(issued?.result, 'issued');
  assert.equal((await readPublished(stage.bucket, fleet))?.etag, before);
  assert.equal(ordersAsked(stage), 1);
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
});

test('two passes that overlap anyhow issue each certificate once, fail no validation, and lose nothing', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  let orders = 0;
  for (let call = 1; ; call += 1) {
    const certificates = [{ identifiers: [`a${call}.test`, `b${call}.test`] }];
    const { first, second } = await overlap(stage, certificates, call);
    if (second === undefined) break;

    orders += 1;
    const odd = [...first, ...second].filter(({ error }) => error && error.code !== 'ERR_BUCKET_CONFLICT');
    assert.deepEqual(odd, [], `the second began at call ${call} of the first`);
    assert.equal((await stage.pass(certificates))[0]?.result, 'kept');
    assert.equal(ordersAsked(stage), orders);
  }
  assert.ok(orders > 10, `${orders} overlaps`);
});

/** The second pass begins with the `call`-th exchange of the first. */
async function overlap(stage: Stage, certificates: object[], call: number) {
  let calls = 0;
  let second: Promise<Outcome[]> | undefined;
  const exchange: Transport = (...args) => {
    calls += 1;
    if (calls === call) second = stage.pass(certificates);
    return stage.exchange(...args);
  };
  const first = await stage.pass(certificates, {}, { cas: stage.casBy(exchange) });
  return { first, second: await second };
}

/** By the key of the record, verified, with nothing left over. */
async function assertPublished(stage: Stage, key: string): Promise<void> {
  const pem = (await readPublished(stage.bucket, fleet))?.manifest.certificates[named('a.test')]?.pems[0];
  const text = stage.bucket.text(layout.pem(fleet, named('a.test'), pem?.sha256 ?? '')) ?? '';
  verify(text, { identifiers: ['a.test', 'b.test'] }, new Date());
  assert.ok(text.endsWith(key) && base64Lines(key).length > 1);
  assert.deepEqual(await stage.bucket.list(layout.orders), []);
  assert.deepEqual(await stage.bucket.list('challenge/'), []);
}
