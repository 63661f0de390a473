import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCa } from '../../../../lambda/ca/ca.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeConfig } from '../../../support/issuer/documents.ts';
import { answer, fakeCa } from '../../../support/issuer/fake-ca.ts';

test('where the configuration does not say that a CA is in a private network, its directory is asked, and its address says so', async () => {
  const rows = [
    { allowPrivate: true, seen: false, says: true, asks: 0 },
    { allowPrivate: false, seen: true, says: false, asks: 0 },
    { caFile: '/etc/ca.pem', seen: false, says: true, asks: 0 },
    { seen: true, says: true, asks: 1 },
    { seen: false, says: false, asks: 1 },
  ];
  for (const { seen, says, asks, ...given } of rows) {
    const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true, ...given };
    const { acme: settings } = makeConfig([{ identifiers: ['a.test'] }], { acme });
    const { exchange } = fakeCa(() => answer({}));
    let asked = 0;
    const counted: typeof exchange = (...request) => {
      asked += 1;
      return exchange(...request);
    };
    const options = { bucket: memoryBucket(), settings, exchange: counted, now: () => noon };
    // Before an answer nobody has seen an address.
    const ca = openCa(options, () => asked > 0 && seen);

    assert.deepEqual([await ca.allowsPrivate(), asked], [says, asks], JSON.stringify(given));
  }
});
