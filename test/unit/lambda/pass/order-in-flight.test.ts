/** The order record that a new order begins with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManifestEntry } from '#contract/manifest.ts';
import { OrderInFlight } from '../../../../lambda/pass/issuing/order-in-flight.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import {
  DIRECTORY_URL,
  makeConfig,
  makeEntry,
  makePemRef,
  makeSpec,
} from '../../../support/issuer/documents.ts';
import { clientOf, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';
import { passOver } from '../../../support/issuer/pass.ts';

/** @returns what the order of each key type is to replace */
async function replacedBy(published: ManifestEntry | undefined, keyTypes: string[]) {
  const pass = passOver(memoryBucket()).passFor([{ identifiers: ['a.test'] }]);
  const order = new OrderInFlight(pass, {
    spec: makeSpec({ keyTypes: keyTypes as never }),
    decision: { action: 'obtain', reason: 'lifetime', directoryUrl: DIRECTORY_URL },
    ...{ published, stored: undefined, isFreshKey: false },
  });
  const client = clientOf(
    fakeCa(() => refuse('malformed')),
    { accountUrl: 'https://ca.test/account/1' },
  );
  const legs = await order.open({ client, settings: makeConfig([{ identifiers: ['a.test'] }]).acme });
  return legs.map(({ replaces }) => replaces);
}

const [{ certId }] = [makePemRef()];
const issuedBy = (accountUrl: string) => makeEntry({ issued: { directoryUrl: DIRECTORY_URL, accountUrl } });

const ROWS: [says: string, published: ManifestEntry | undefined, replaces: (string | undefined)[]][] = [
  ['nothing, where nothing is published', undefined, [undefined]],
  ['the certificate that the same account has ordered', issuedBy('https://ca.test/account/1'), [certId]],
  [
    "nothing, where another account's certificate is published",
    issuedBy('https://ca.test/account/2'),
    [undefined],
  ],
  [
    'nothing, where the published one has another key type',
    makeEntry({ pems: [makePemRef({ keyType: 'rsa2048' })] }),
    [undefined],
  ],
];

for (const [says, published, replaces] of ROWS) {
  test(`RFC 9773 §5: a new order replaces ${says}`, async () => {
    assert.deepEqual(await replacedBy(published, ['ec256']), replaces);
  });
}

test('RFC 9773 §5: of a pair, each order replaces the certificate of its key type', async () => {
  const pems = [makePemRef(), makePemRef({ keyType: 'rsa2048', certId: 'rsa.AQ' })];

  assert.deepEqual(await replacedBy(makeEntry({ pems }), ['ec256', 'rsa2048']), [certId, 'rsa.AQ']);
});
