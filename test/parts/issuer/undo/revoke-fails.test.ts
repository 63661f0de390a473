// F17: `pemfleet revoke` that fails leaves its request in the bucket, and says so: what stands, what passes do, how it ends. Pebble, in this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { DirectoryBucket } from '#storage/directory.ts';
import { problem } from '../../../support/hostile-ca/faults.ts';
import { fleet, named } from '../../../support/issuer/documents.ts';
import { startOperator } from '../../../support/issuer/operator.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const name = named('a.test');
const WORDS = ['revoke', 'a.test', '--reason', 'superseded'] as const;

test('at the CA, before its replacement, or at the store: it says what stands, and how it is cancelled; --json, too', async (t) => {
  const { bucket, ca, pebble, pemfleet } = await startOperator(t);
  const serialInForce = async () => {
    const body = (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0);
    return parseRoot(fleet, body).manifest.certificates[name]?.pems[0]?.serial ?? '';
  };
  assert.equal((await pemfleet('run')).status, 0);
  const old = await serialInForce();
  const serverFault = problem({ status: 500, type: 'serverInternal', detail: 'out of order' });
  const told = new RegExp(
    `^a\\.test: the request stays: ${old} \\(superseded\\), asked for at 20\\S+: each pass goes on with it: .*living host.*; pemfleet revoke a\\.test --cancel ends it$`,
    'm',
  );
  const waiting = { certificate: 'a.test', serials: [old], reason: 'superseded' };
  const assess = (result: Awaited<ReturnType<typeof pemfleet>>, code: string, says: RegExp) => {
    assert.match(String(result.status), new RegExp(`^\\S+ ${code} `));
    assert.match(String(result.status), says);
    assert.match(result.stderr, told);
    const { error, revocations, waiting: stands } = JSON.parse(result.stdout);
    const { since, ...rest } = stands;
    assert.deepEqual([error.code, revocations, rest], [code, [], waiting]);
    assert.match(error.message, says);
    assert.ok(Date.parse(since) <= Date.now());
  };

  ca.fault('revokeCert', serverFault, { times: 1 });
  assess(await pemfleet(...WORDS, '--no-replace', '--json'), 'ERR_ACME_PROBLEM', /out of order/);
  assert.equal(await serialInForce(), old);

  ca.fault('newOrder', serverFault);
  assess(await pemfleet(...WORDS, '--now', '--json'), 'ERR_REFUSED', /not revoked: there is no replacement/);
  ca.clear();

  const put = t.mock.method(DirectoryBucket.prototype, 'put', async (key: string) => {
    throw new BucketError('ERR_BUCKET_IO', key, 'the disk is full');
  });
  assess(await pemfleet(...WORDS, '--json'), 'ERR_BUCKET_IO', /the disk is full/);
  put.mock.restore();

  const cancelled = await pemfleet('revoke', 'a.test', '--cancel');
  assert.equal(cancelled.status, 0, cancelled.stderr);
  assert.equal((await pebble.certStatusBySerial(old)).Status, 'Valid');

  ca.fault('revokeCert', serverFault, { times: 1 });
  const dry = await pemfleet(...WORDS, '--now', '--dry-run', '--json');
  assert.deepEqual([dry.status, JSON.parse(dry.stdout).waiting], [0, undefined], dry.stderr);
});
