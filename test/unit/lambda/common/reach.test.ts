import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { isWithin, OutOfReach, type Reach, reaching } from '#common/net/reach.ts';

const PUBLIC: Reach = { allowsPrivate: false };
const PRIVATE: Reach = { allowsPrivate: true };

test('a URL that shows an address or a port of somewhere else is refused before anything is sent', () => {
  const refused = [
    ...['http://127.0.0.1/', 'http://2130706433/', 'http://0177.0.0.1/', 'http://[::1]/', 'http://0.0.0.0/'],
    ...['http://169.254.169.254/', 'https://[fe80::1]/', 'http://192.168.0.1/', 'http://[::ffff:7f00:1]/'],
    ...[
      'http://example.com:22/',
      'https://example.com:8443/',
      'http://8.8.8.8:81/',
      'http://a:b@example.com/',
    ],
  ];
  for (const url of refused) assert.throws(() => reaching(new URL(url), PUBLIC), OutOfReach, url);

  const taken = [
    'http://8.8.8.8/',
    'https://example.com/',
    'http://example.com:443/',
    'https://[2606:4700::1]/',
  ];
  for (const url of taken) assert.ok(reaching(new URL(url), PUBLIC).lookup, url);
  const own = { ...PUBLIC, own: new URL('https://ca.example.com:8443/directory') };
  assert.ok(reaching(new URL('https://ca.example.com:8443/order'), own).lookup);
  assert.throws(() => reaching(new URL('https://other.example.com:8443/order'), own), OutOfReach);
});

test('a name is refused by the addresses that the socket would take, in both forms of the lookup', async () => {
  const { lookup } = reaching(new URL('http://localhost/'), PUBLIC);
  for (const all of [true, false]) {
    const error = await new Promise((resolve) => lookup('localhost', { all }, resolve));
    assert.ok(error instanceof OutOfReach);
    assert.match(error.message, /wanted a public address, saw localhost \((127\.0\.0\.1|::1)/);
  }
  const within = reaching(new URL('http://localhost/'), PRIVATE).lookup;
  const [error, address] = await new Promise<[unknown, unknown]>((resolve) =>
    within('localhost', { family: 4 }, (...given) => resolve([given[0], given[1]])),
  );
  assert.deepEqual([error, address], [null, '127.0.0.1']);
  const [, addresses] = await new Promise<[unknown, LookupAddress[]]>((resolve) =>
    within('localhost', { family: 4, all: true }, (...given) =>
      resolve([given[0], given[1] as LookupAddress[]]),
    ),
  );
  assert.deepEqual(addresses, [{ address: '127.0.0.1', family: 4 }]);
});

test('private networks are within reach of a CA that is there; metadata services never are', () => {
  for (const address of ['127.0.0.1', '10.1.2.3', '100.64.0.1', 'fd00::1', '::1', '8.8.8.8']) {
    assert.equal(isWithin(address, PRIVATE), true, address);
  }
  for (const address of ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', 'fe80::1', '0.0.0.0', '::']) {
    assert.equal(isWithin(address, PRIVATE), false, address);
  }
  // NAT64 (RFC 6052) leads to the IPv4 address inside.
  assert.deepEqual(
    ['64:ff9b::808:808', '64:ff9b::a9fe:a9fe', '64:ff9b::7f00:1'].map((address) => isWithin(address, PUBLIC)),
    [true, false, false],
  );
});
