/** The account of a CA, with a CA that is not there; parts/account.test.ts asks a real one. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { readDirectory } from '../../../../lambda/acme/directory.ts';
import type { Transport } from '../../../../lambda/acme/transport.ts';
import { forgetAccountUrl, openAccount } from '../../../../lambda/ca/account.ts';
import { generateAccountKey } from '../../../../lambda/ca/account-record.ts';
import { changeContact, replaceAccount } from '../../../../lambda/ca/change-account.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeConfig } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { answer, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';

const { acme } = makeConfig([{ identifiers: ['a.test'] }], {
  acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true, contact: ['mailto:ops@example.com'] },
});
const key = layout.account(DIRECTORY_URL);
const registering = () =>
  fakeCa(() => answer({}, { status: 201, headers: { location: 'https://ca.test/account/7' } }));
const now = () => noon;

async function open(bucket: MemoryBucket, exchange: Transport) {
  const directory = await readDirectory(exchange, DIRECTORY_URL, now);
  return openAccount({ bucket, settings: acme, exchange, now }, directory);
}

test('the key is stored before it is registered, the URL after', async () => {
  const bucket = memoryBucket();
  const seen: (string | undefined)[] = [];
  const ca = fakeCa(() => {
    seen.push(bucket.text(key));
    return answer({}, { headers: { location: 'https://ca.test/account/7' } });
  });

  const client = await open(bucket, ca.exchange);

  const [before, after] = [JSON.parse(seen[0] ?? ''), JSON.parse(bucket.text(key) ?? '')];
  assert.deepEqual(Object.keys(before), ['version', 'key']);
  assert.equal(client.accountUrl, 'https://ca.test/account/7');
  const { contact } = acme;
  assert.deepEqual(after, { ...before, url: 'https://ca.test/account/7', contact });
});

test('an account record is what a v1 looks like: version, PKCS#8 key, URL, and the contact that the CA was told', async () => {
  const bucket = memoryBucket();

  await open(bucket, registering().exchange);

  const text = bucket.text(key) ?? '';
  const stored = JSON.parse(text);
  assert.equal(
    text,
    `{\n  "version": 1,\n  "key": ${JSON.stringify(stored.key)},\n  "url": "https://ca.test/account/7",\n  "contact": [\n    "mailto:ops@example.com"\n  ]\n}\n`,
  );
  assert.match(stored.key, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.equal(createPublicKey(stored.key).asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('an account that is registered is not registered again, and unknown fields stay', async () => {
  const bucket = memoryBucket();
  await open(bucket, registering().exchange);
  const text = (bucket.text(key) ?? '').replace('"version": 1', '"version": 1,\n  "fromTheFuture": true');
  await bucket.put(key, text);
  const ca = registering();

  const client = await open(bucket, ca.exchange);

  assert.equal(client.accountUrl, 'https://ca.test/account/7');
  assert.deepEqual(
    ca.exchanged.map(({ method }) => method),
    ['GET'],
  );
  assert.equal(bucket.text(key), text);
});

test('a pass that died before it knew the URL is continued with the same key', async () => {
  const bucket = memoryBucket();
  await assert.rejects(open(bucket, fakeCa(() => refuse('serverInternal', 500)).exchange), {
    code: 'ERR_ACME_PROBLEM',
  });
  const stored = JSON.parse(bucket.text(key) ?? '');

  await open(bucket, registering().exchange);

  assert.deepEqual(JSON.parse(bucket.text(key) ?? ''), {
    ...stored,
    ...{ url: 'https://ca.test/account/7', contact: acme.contact },
  });
});

test('twenty first passes at once register one key', async () => {
  const bucket = memoryBucket();
  const ca = registering();

  const clients = await Promise.all(Array.from({ length: 20 }, () => open(bucket, ca.exchange)));

  assert.equal(new Set(clients.map(({ thumbprint }) => thumbprint)).size, 1);
  const jwks = ca.exchanged.flatMap(({ header }) => (header.jwk ? [JSON.stringify(header.jwk)] : []));
  assert.equal(new Set(jwks).size, 1);
});

for (const text of [
  '',
  '{"version":1,"key":"-----BEGIN PRIVATE KEY-----\\nMIGHAgEA',
  '{"version":2,"key":"MIGHAgEA"}',
  '{"version":1}',
]) {
  test(`an account record that is ${JSON.stringify(text.slice(0, 20))}… is ERR_ACCOUNT_RECORD: no other key is made, and the message holds none`, async () => {
    const bucket = memoryBucket();
    await bucket.put(key, text);

    await assert.rejects(open(bucket, registering().exchange), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_ACCOUNT_RECORD');
      assert.ok(error.message.startsWith(`${key}: `));
      assert.doesNotMatch(`${error.stack} ${error.cause}`, /MIGH|PRIVATE/);
      return true;
    });
    assert.equal(bucket.text(key), text);
  });
}

test('a new account is an event that names the one that the CA has lost; one that is found again is none', async () => {
  const bucket = memoryBucket();
  const { log, fieldsOf } = recordEvents();
  const directory = await readDirectory(registering().exchange, DIRECTORY_URL, now);
  const openBy = async (status: number, account: string) => {
    const { exchange } = fakeCa(() => answer({}, { status, headers: { location: account } }));
    const options = { bucket, settings: acme, exchange, now, log };
    await openAccount(options, directory);
    await forgetAccountUrl(options);
  };

  await openBy(201, 'https://ca.test/account/7');
  await openBy(200, 'https://ca.test/account/7');
  await openBy(201, 'https://ca.test/account/8');

  assert.deepEqual(
    fieldsOf('account.created').map(({ account, before }) => [account, before]),
    [
      ['https://ca.test/account/7', undefined],
      ['https://ca.test/account/8', 'https://ca.test/account/7'],
    ],
  );
});

test('a contact that the CA refuses is told once, and again when the configuration changes or somebody asks for it', async () => {
  const bucket = memoryBucket();
  const { log, fieldsOf } = recordEvents();
  const url = 'https://ca.test/account/7';
  let refusal = refuse('invalidContact');
  const ca = fakeCa((asked) =>
    asked.url === url ? refusal : answer({}, { status: 201, headers: { location: url } }),
  );
  const directory = await readDirectory(ca.exchange, DIRECTORY_URL, now);
  const openBy = async (contact: string[]) => {
    const options = { bucket, settings: { ...acme, contact }, exchange: ca.exchange, now, log };
    return { at: { options, directory }, client: await openAccount(options, directory) };
  };
  const refused = () => fieldsOf('account.contact-failed').length;
  await openBy(['mailto:old@example.com']);

  const counts = [];
  for (const contact of ['new@', 'new@', 'new@', 'newer@', 'newer@']) {
    await openBy([`mailto:${contact}example.com`]);
    counts.push(refused());
  }
  assert.deepEqual(counts, [1, 1, 1, 2, 2]);

  // What says nothing of the contact is no refusal of it.
  refusal = refuse('rateLimited', 429);
  await openBy(['mailto:newest@example.com']);
  await openBy(['mailto:newest@example.com']);
  assert.equal(refused(), 4);

  const { at, client } = await openBy(['mailto:newer@example.com']);
  await assert.rejects(changeContact(at, client), /rateLimited/);
  refusal = answer({});
  await changeContact(at, client);
  assert.deepEqual(JSON.parse(bucket.text(key) ?? '').contact, ['mailto:newer@example.com']);
});

for (const [says, knowsOld] of [
  ['has another one put in its place', false],
  ['keeps its key, where the CA still answers for that', true],
] as const) {
  test(`an account that is over, and whose key was being changed by a killed command: it ${says}`, async () => {
    const bucket = memoryBucket();
    const url = 'https://ca.test/account/7';
    const [first, next] = [generateAccountKey(), generateAccountKey()];
    await bucket.put(key, JSON.stringify({ version: 1, key: first, nextKey: next, url }));
    const xOf = (pem: string) => createPublicKey(pem).export({ format: 'jwk' }).x;
    const ca = fakeCa(({ header, payload }) => {
      const { x } = (header.jwk ?? {}) as { x?: string };
      if (!payload.includes('onlyReturnExisting')) {
        return answer({}, { status: 201, headers: { location: 'https://ca.test/account/8' } });
      }
      if (x === xOf(next)) return refuse('unauthorized', 401);
      return knowsOld ? answer({}, { headers: { location: url } }) : refuse('accountDoesNotExist');
    });
    const directory = await readDirectory(ca.exchange, DIRECTORY_URL, now);
    const at = { options: { bucket, settings: acme, exchange: ca.exchange, now }, directory };

    const opened = await openAccount(at.options, directory);
    const record = JSON.parse(bucket.text(key) ?? '');
    const replaced = await replaceAccount(at);

    assert.deepEqual(
      [opened.accountUrl, record.nextKey, record.key],
      [url, undefined, knowsOld ? first : next],
    );
    assert.equal(replaced.accountUrl, 'https://ca.test/account/8');
    const { earlier } = JSON.parse(bucket.text(key) ?? '');
    const keys = earlier.map((one: { key: string }) => one.key);
    assert.deepEqual(keys, knowsOld ? [first] : [next, first]);
  });
}
