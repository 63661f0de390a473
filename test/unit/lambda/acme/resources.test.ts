/** Answers that are no order, no authorization, no directory: always a failure with a code, never a TypeError. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { linksOf, listOrders, newAccount } from '../../../../lambda/acme/account.ts';
import { getAuthorization, respond, waitValid } from '../../../../lambda/acme/authorization.ts';
import { downloadChain } from '../../../../lambda/acme/chain.ts';
import type { AcmeClient } from '../../../../lambda/acme/client.ts';
import { readDirectory } from '../../../../lambda/acme/directory.ts';
import { finalize, getOrder, newOrder, type Order, waitOrder } from '../../../../lambda/acme/order.ts';
import { generateKey } from '../../../../lambda/order/key.ts';
import { fakeClock, noon } from '../../../support/clock.ts';
import { answer, clientOf, DIRECTORY, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';
import { createPki } from '../../../support/parts/pki.ts';

const url = 'https://ca.test/resource/1';
const identifier = { type: 'dns', value: 'a.test' } as const;
const order: Order = {
  url,
  status: 'ready',
  identifiers: [identifier],
  authorizations: [],
  finalize: `${url}/finalize`,
};
const authorization = { url, identifier, status: 'pending', challenges: [] } as const;
const key = createPrivateKey(await generateKey('ec256'));

const READS: Record<string, (client: AcmeClient) => Promise<unknown>> = {
  newAccount: (client) => newAccount(client, { contact: [], termsOfServiceAgreed: true }),
  newOrder: (client) => newOrder(client, { identifiers: [identifier] }),
  getOrder: (client) => getOrder(client, url),
  finalize: (client) => finalize(client, order, key),
  waitOrder: (client) => waitOrder(client, order, ['valid'], fakeClock()),
  downloadChain: (client) => downloadChain(client, url, undefined),
  getAuthorization: (client) => getAuthorization(client, url),
  waitValid: (client) => waitValid(client, { ...authorization, challenges: [] }, fakeClock()),
};

const NOTHINGS = [
  '',
  '<html>hello</html>',
  null,
  [],
  {},
  { status: 7 },
  { status: 'valid' },
  { status: 'pending', challenges: null, identifiers: 'a', authorizations: {} },
  { status: 'pending', finalize: url, identifiers: [null], authorizations: [] },
  { status: 'pending', finalize: url, identifiers: [identifier], authorizations: [null] },
  { status: 'pending', finalize: url, identifiers: Array(1001).fill(identifier), authorizations: [] },
  { status: 'pending', identifier, challenges: [null] },
  { status: 'pending', identifier, challenges: [{ type: 'http-01', url, token: [`${'a'.repeat(22)}`] }] },
  { status: 'pending', identifier, challenges: [{ type: 'http-01', url: 7, token: 'a'.repeat(22) }] },
  1,
  true,
];

for (const [verb, read] of Object.entries(READS)) {
  test(`${verb}: a 200 that is something else is ERR_ACME_UNREACHABLE`, async () => {
    for (const data of NOTHINGS) {
      const client = await clientOf(fakeCa(() => answer(data)));

      await assert.rejects(read(client), { code: 'ERR_ACME_UNREACHABLE' }, JSON.stringify(data));
    }
  });

  test(`${verb}: a problem of the CA is ERR_ACME_PROBLEM`, async () => {
    const client = await clientOf(fakeCa(() => refuse('serverInternal', 500)));

    await assert.rejects(read(client), { code: 'ERR_ACME_PROBLEM', type: 'serverInternal' });
  });
}

for (const directory of [
  null,
  '',
  '<html>',
  [],
  {},
  { ...DIRECTORY, newOrder: 7 },
  { ...DIRECTORY, newNonce: undefined },
]) {
  test(`a directory that is ${JSON.stringify(directory).slice(0, 40)} is ERR_ACME_UNREACHABLE`, async () => {
    const { exchange } = fakeCa(() => answer({}), directory);

    await assert.rejects(
      readDirectory(exchange, 'https://ca.test/directory', () => noon),
      {
        code: 'ERR_ACME_UNREACHABLE',
        message: /is no ACME directory/,
      },
    );
  });
}

test('an order that the CA no longer knows, or of another account, is undefined; any other refusal is an error', async () => {
  const asking = async (type: string, status: number) =>
    getOrder(await clientOf(fakeCa(() => refuse(type, status))), url);

  assert.equal(await asking('malformed', 404), undefined);
  assert.equal(await asking('unauthorized', 403), undefined);
  assert.equal(await asking('malformed', 400), undefined, 'smallstep');
  await assert.rejects(asking('userActionRequired', 403), { code: 'ERR_ACME_PROBLEM', status: 403 });
  await assert.rejects(asking('malformed', 500), { code: 'ERR_ACME_PROBLEM', status: 500 });
});

test('RFC 8555 §7.4: an order that is not ready yet is no failure of finalize', async () => {
  const client = await clientOf(fakeCa(() => refuse('orderNotReady', 403)));

  assert.equal(await finalize(client, order, key), undefined);
});

for (const [says, header, waits] of [
  ['a wait', '7', [7_000]],
  ['nothing', undefined, []],
  ['no wait', '0', [100]],
] as const) {
  test(`RFC 8555 §7.4: finalize that says ${says} in Retry-After is looked at after [${waits}] ms`, async () => {
    const clock = fakeClock();
    const headers = { 'replay-nonce': 'n', ...(header !== undefined && { 'retry-after': header }) };
    const ca = fakeCa(({ url: asked }) =>
      asked === order.finalize
        ? answer({ ...order, status: 'processing' }, { headers })
        : answer({ ...order, status: 'valid' }, { headers: { 'replay-nonce': 'n' } }),
    );
    const client = clientOf(ca);

    const finalized = await finalize(client, order, key);
    assert.ok(finalized);
    assert.equal((await waitOrder(client, finalized, ['valid'], clock)).status, 'valid');
    assert.deepEqual(clock.waits, waits);
  });
}

test('RFC 8555 §7.4: a Retry-After of finalize beyond what a pass waits leaves the order to the next one', async () => {
  const clock = fakeClock();
  const client = clientOf(fakeCa(() => assert.fail('is asked for')));
  const finalized = { ...order, status: 'processing', retryAfter: '3600' } as const;

  await assert.rejects(waitOrder(client, finalized, ['valid'], clock), { code: 'ERR_ACME_DEADLINE' });
  assert.deepEqual(clock.waits, []);
});

test('RFC 8555 §7.5.1: a challenge is responded to once, and one that has moved on is left to the poll', async () => {
  const challenge = { type: 'http-01', url, token: 'DGyRejmCefe7v4NfDGDKfA' };
  const ca = fakeCa(() => refuse('malformed'));
  const client = await clientOf(ca);

  await respond(client, { ...challenge, status: 'valid' });
  await respond(client, { ...challenge, status: 'pending' });

  assert.deepEqual(
    ca.exchanged.filter(({ method }) => method === 'POST').map(({ payload }) => payload),
    ['{}'],
  );
});

for (const status of ['invalid', 'deactivated', 'expired', 'revoked'] as const) {
  test(`RFC 8555 §7.1.6: an authorization that is ${status} ends the wait at the first poll`, async () => {
    const clock = fakeClock();
    const error = { type: 'urn:ietf:params:acme:error:caa', detail: 'forbidden' };
    const client = await clientOf(
      fakeCa(() =>
        answer({
          ...authorization,
          status,
          challenges: [
            { type: 'http-01', error: null },
            { type: 'http-01', error },
          ],
        }),
      ),
    );

    await assert.rejects(waitValid(client, { ...authorization, challenges: [] }, clock), {
      code: 'ERR_AUTHORIZATION',
      identifier: 'a.test',
      message: new RegExp(`authorization is ${status}: caa \\(forbidden\\)`),
    });
    assert.deepEqual(clock.waits, [150], 'only what a validation takes at least');
  });
}

test('RFC 8555 §7.4.2: the chain is taken apart, whatever stands between, and links are resolved', async () => {
  const { leafPem, chainPem } = await (await createPki()).issue({ names: ['a.test'] });
  const text = `# leaf\r\n${leafPem.replaceAll('\n', '\r\n')}\r\n\r\n${chainPem.join('')}trailing`;
  const link = `<${url}/alternate/1>;rel="alternate", <${DIRECTORY.newNonce}>; rel="index", </relative>;rel=alternate`;

  const client = clientOf(fakeCa(() => answer(text, { headers: { link } })));

  assert.deepEqual(await downloadChain(client, url, undefined), {
    pems: [leafPem, ...chainPem],
    isPreferred: true,
  });
  assert.deepEqual(linksOf(link, 'alternate', url), [`${url}/alternate/1`, 'https://ca.test/relative']);
  assert.deepEqual(linksOf(undefined, 'next', url), []);
});

test('RFC 8555 §7.1.2.1: the pages of the orders are followed, and not for ever', async () => {
  let page = 0;
  const ca = fakeCa(({ url: asked }) => {
    if (asked === 'https://ca.test/account/1') return answer({ orders: 'https://ca.test/orders' });
    page += 1;
    return answer(
      { orders: [`https://ca.test/order/${page}`] },
      { headers: { link: `<https://ca.test/orders?page=${page}>;rel="next"` } },
    );
  });

  const orders = await listOrders(await clientOf(ca), 3);

  assert.deepEqual(
    orders,
    [1, 2, 3].map((number) => `https://ca.test/order/${number}`),
  );
});

test('a CA that offers no list of orders has none', async () => {
  assert.deepEqual(await listOrders(await clientOf(fakeCa(() => answer({ status: 'valid' })))), []);
});

test('RFC 8555 §7.4.2: of the alternate chains, the one is taken in which the preferred issuer stands nearest the top', async () => {
  const pki = await createPki();
  const { leafPem, chainPem } = await pki.issue({ names: ['a.test'] });
  const link = `<${url}/alternate/1>;rel="alternate"`;
  const ca = fakeCa(({ url: asked }) => {
    const long = [leafPem, ...chainPem, pki.rootPem].join('');
    return asked === url ? answer(long, { headers: { link } }) : answer([leafPem, ...chainPem].join(''));
  });
  const root = /CN=(.*)/.exec(new X509Certificate(pki.rootPem).subject)?.[1] ?? '';

  const preferred = await downloadChain(clientOf(ca), url, root);
  const unknown = await downloadChain(clientOf(ca), url, 'No Such Root');

  assert.equal(preferred.pems.length, 3);
  assert.equal(preferred.isPreferred, true);
  assert.deepEqual([unknown.pems.length, unknown.isPreferred], [3, false]);
});

test('validations that take longer than the first look are looked at later, and so once', async () => {
  const clock = fakeClock();
  let begunAt = clock.now();
  const ca = fakeCa(() => {
    const status = clock.now().getTime() - begunAt.getTime() < 900 ? 'pending' : 'valid';
    return answer({ ...authorization, status, challenges: [] });
  });
  const client = await clientOf(ca);
  const looksOf = async () => {
    begunAt = clock.now();
    const before = ca.exchanged.length;
    await waitValid(client, { ...authorization, challenges: [] }, clock);
    return ca.exchanged.slice(before).filter(({ method }) => method === 'POST').length;
  };

  const looks: number[] = [];
  for (let certificate = 0; certificate < 4; certificate += 1) looks.push(await looksOf());

  assert.ok((looks[0] ?? 0) > 1);
  assert.deepEqual(looks.slice(-2), [1, 1]);
});
