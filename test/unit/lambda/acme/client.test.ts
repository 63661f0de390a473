import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { newAccount } from '../../../../lambda/acme/account.ts';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';
import type { Transport } from '../../../../lambda/acme/transport.ts';
import { after, noon } from '../../../support/clock.ts';
import { answer, clientOf, fakeCa, refuse, withNonces } from '../../../support/issuer/fake-ca.ts';

/** The public half is RFC 7638's; of the private half the thumbprint takes nothing. */
const RFC_7638_KEY = {
  kty: 'RSA',
  n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
  ...{ d: 'AQ', p: 'Aw', q: 'BQ', dp: 'AQ', dq: 'AQ', qi: 'AQ' },
};

test('RFC 7638 §3.1: thumbprint of the example key', async () => {
  const accountKey = createPrivateKey({ format: 'jwk', key: RFC_7638_KEY })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();

  const { thumbprint } = await clientOf(
    fakeCa(() => answer({})),
    { accountKey },
  );

  assert.equal(thumbprint, 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

test('RFC 8555 §6.2: newAccount is signed with the key, everything after it names the account', async () => {
  const ca = fakeCa(() => answer({}, { status: 201, headers: { location: 'https://ca.test/account/7' } }));
  const client = await clientOf(ca);

  const account = { contact: ['mailto:ops@example.com'], termsOfServiceAgreed: true as const };
  const { url } = await newAccount(client, account);
  await client.post('https://ca.test/order/1', null);

  const [register, read] = ca.exchanged.filter(({ method }) => method === 'POST');
  assert.equal(url, 'https://ca.test/account/7');
  assert.ok(register?.header.jwk && register.header.kid === undefined);
  assert.deepEqual(JSON.parse(register.payload), {
    contact: ['mailto:ops@example.com'],
    termsOfServiceAgreed: true,
  });
  assert.ok(read?.header.kid === url && read.header.jwk === undefined);
  assert.deepEqual([read.header.url, read.payload], ['https://ca.test/order/1', '']);
});

test('an account without a contact sends none, for a CA that refuses an empty list', async () => {
  const ca = fakeCa(() => answer({}, { headers: { location: 'https://ca.test/account/7' } }));

  await newAccount(await clientOf(ca), { contact: [], termsOfServiceAgreed: true });

  assert.deepEqual(JSON.parse(ca.exchanged.at(-1)?.payload ?? ''), { termsOfServiceAgreed: true });
});

test('RFC 8555 §6.5: every answer brings the next nonce, and the client asks newNonce only without one', async () => {
  const ca = fakeCa(withNonces());
  const client = await clientOf(ca);

  for (let request = 0; request < 5; request += 1) await client.post('https://ca.test/x', {});

  assert.equal(ca.exchanged.filter(({ method }) => method === 'HEAD').length, 1);
  const nonces = ca.exchanged.flatMap(({ header }) => header.nonce ?? []);
  assert.deepEqual(nonces, ['fresh-1', 'answer-1', 'answer-2', 'answer-3', 'answer-4']);
});

test('no nonce is used twice, also not by requests at once', async () => {
  const ca = fakeCa(withNonces());
  const client = await clientOf(ca);

  for (let round = 0; round < 3; round += 1) {
    await Promise.all(Array.from({ length: 20 }, () => client.post('https://ca.test/x', {})));
  }

  const nonces = ca.exchanged.flatMap(({ header }) => header.nonce ?? []);
  assert.equal(new Set(nonces).size, 60);
});

test('requests at once fetch so many nonces as they need beside those that answers bring, one after the other', async () => {
  const ca = fakeCa(withNonces());
  let [asking, most] = [0, 0];
  const exchange: Transport = async (method, url, body) => {
    if (method === 'HEAD') asking += 1;
    most = Math.max(most, asking);
    await new Promise(setImmediate);
    if (method === 'HEAD') asking -= 1;
    return ca.exchange(method, url, body);
  };
  const client = await clientOf({ ...ca, exchange });

  await Promise.all(Array.from({ length: 100 }, () => client.post('https://ca.test/x', {})));

  const fetched = ca.exchanged.filter(({ method }) => method === 'HEAD').length;
  assert.equal(most, 1);
  assert.ok(fetched > 1, 'or the requests would go on one after the other');
  assert.ok(fetched <= 10, `${fetched}: ten requests are at work at once`);
});

test('a newNonce that fails is one failure: the others ask for themselves, and get theirs', async () => {
  const ca = fakeCa(withNonces());
  let asked = 0;
  const exchange: Transport = async (method, url, body) => {
    await new Promise(setImmediate);
    if (method === 'HEAD') asked += 1;
    return method === 'HEAD' && asked === 1 ? refuse('serverInternal', 503) : ca.exchange(method, url, body);
  };
  const client = await clientOf({ ...ca, exchange });

  const ended = await Promise.allSettled(
    Array.from({ length: 5 }, () => client.post('https://ca.test/x', {})),
  );

  assert.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
});

test('RFC 8555 §6.5: badNonce is tried again with the nonce that it brings', async () => {
  const answers = [refuse('badNonce', 400, { 'replay-nonce': 'better' }), answer('done')];
  const ca = fakeCa(() => answers.shift() ?? assert.fail('asked once more'));

  const { data } = await (await clientOf(ca)).post('https://ca.test/x', { a: 1 });

  assert.equal(data, 'done');
  const posts = ca.exchanged.filter(({ method }) => method === 'POST');
  assert.deepEqual(
    posts.map(({ header, payload }) => [header.nonce, payload]),
    [
      ['fresh-1', '{"a":1}'],
      ['better', '{"a":1}'],
    ],
  );
});

test('endless badNonce fails in the end', async () => {
  const ca = fakeCa(() => refuse('badNonce'));

  await assert.rejects((await clientOf(ca)).post('https://ca.test/x', {}), {
    code: 'ERR_ACME_PROBLEM',
    type: 'badNonce',
  });

  assert.ok(ca.exchanged.length < 100);
});

for (const [says, response, type, status] of [
  ['a rate limit', refuse('rateLimited', 429, { 'retry-after': '3600' }), 'rateLimited', 429],
  ['an error of the server', refuse('serverInternal', 500), 'serverInternal', 500],
  [
    'HTML of a proxy',
    answer('<html>502</html>', { status: 502, headers: { 'retry-after': '5' } }),
    'http',
    502,
  ],
  ['a redirect', answer('', { status: 302 }), 'http', 302],
  ['JSON that is null', answer(null, { status: 503 }), 'http', 503],
  ['a list', answer([], { status: 400 }), 'http', 400],
] as const) {
  test(`${says} is an AcmeProblem at once: it is not tried again, and not slept upon`, async () => {
    const ca = fakeCa(() => response);

    await assert.rejects((await clientOf(ca)).post('https://ca.test/x', {}), (error) => {
      assert.ok(error instanceof AcmeProblem);
      assert.deepEqual([error.type, error.status], [type, status]);
      const seconds = Number(response.headers['retry-after']);
      assert.deepEqual(error.retryAfter, Number.isNaN(seconds) ? undefined : after(noon, seconds * 1000));
      return true;
    });
    assert.equal(ca.exchanged.filter(({ method }) => method === 'POST').length, 1);
  });
}

test('an error without a problem document says what was asked: method, URL and status', async () => {
  const ca = fakeCa(() => answer('<h1>Internal Server Error</h1>', { status: 500 }));

  await assert.rejects((await clientOf(ca)).post('https://ca.test/order/7', null), {
    code: 'ERR_ACME_PROBLEM',
    message: /POST https:\/\/ca\.test\/order\/7 answered HTTP 500 without a problem document/,
  });
});

test('a redirect says where it leads, and that it is not followed', async () => {
  const ca = fakeCa(() => answer('', { status: 307, headers: { location: 'https://other.test/x' } }));

  await assert.rejects((await clientOf(ca)).post('https://ca.test/x', {}), {
    message:
      /POST https:\/\/ca\.test\/x answered HTTP 307 to https:\/\/other\.test\/x, and no redirect is followed/,
  });
});

test('without an account URL nothing but newAccount can be sent: that is a bug of ours', async () => {
  const client = await clientOf(fakeCa(() => answer({})));
  client.accountUrl = undefined;

  assert.throws(() => client.post('https://ca.test/x', {}), TypeError);
});
