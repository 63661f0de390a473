// F17: `pemfleet revoke --now` is killed at each step, and typed again, or left to the passes. Pebble, in this process.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import { DirectoryBucket } from '#storage/directory.ts';
import { readRevocation } from '../../../lambda/replacement/revocations.ts';
import { fleet, makeHostStatus, named } from '../../support/issuer/documents.ts';
import { type Operator, startOperator } from '../../support/issuer/operator.ts';
import { parseRoot } from '../../support/parse-root.ts';

/** The process is dead from this write on, before it or behind it; `second`: before the second of them. */
type Death = readonly [says: string, verb: 'put' | 'erase', key: RegExp, when?: 'behind' | 'second'];

const DEATHS: readonly Death[] = [
  ['the request is written', 'put', /^issuer\/revocation\//],
  ['the request is there', 'put', /^issuer\/revocation\//, 'behind'],
  ['the replacement is ordered', 'put', /^issuer\/order\//],
  ['the replacement is published', 'put', /^published\/[^/]+\/root\.json$/],
  ['the replacement is in force', 'put', /^published\/[^/]+\/root\.json$/, 'behind'],
  ['the CA has revoked it: hosts are told', 'put', /^issuer\/tombstones\//],
  ['the key is noted as deleted', 'put', /^issuer\/history\//],
  ['the key is erased', 'erase', /\/pem\//],
  ['the key is gone', 'erase', /\/pem\//, 'behind'],
  ['the request is ended', 'put', /^issuer\/revocation\//, 'second'],
];

test('killed at each step, and then typed again, or left to the passes: exactly the old certificates are revoked, and their keys are gone', async (t) => {
  const operator = await startOperator(t);
  const { bucket, pebble, pemfleet } = operator;
  const names = DEATHS.map((_, index) => named(`d${index}.test`));
  operator.configure({ certificates: names.map((one) => ({ identifiers: [one] })) });
  assert.equal((await pemfleet('run')).status, 0);
  const before = await certificates(bucket);
  for (const [index, [says, verb, wanted, when]] of DEATHS.entries()) {
    const command = ['revoke', names[index] ?? '', '--reason', 'keyCompromise', '--now'];
    const death = dieAt(t, verb, wanted, when);
    const killed = await pemfleet(...command);
    death.end();
    assert.ok(death.isDead(), `${says}: ${killed.status} ${killed.stderr}`);
    // Where no request was written, nothing has begun.
    if (index % 2 === 1) continue;
    const again = await pemfleet(...command);
    assert.equal(again.status, 0, `${says}: ${again.stderr}`);
  }

  const first = await pemfleet('run');
  await reportAll(bucket);
  const second = await pemfleet('run');

  assert.deepEqual([first.status, second.status], [0, 0], first.stderr + second.stderr);
  const after = await certificates(bucket);
  for (const [index, [says]] of DEATHS.entries()) {
    const one = names[index] ?? named(says);
    const [old, replacement] = [before[one]?.pems[0], after[one]?.pems[0]];
    const states = await Promise.all(
      [old, replacement].map(async (pem) => (await pebble.certStatusBySerial(pem?.serial ?? '')).Status),
    );
    assert.deepEqual(states, ['Revoked', 'Valid'], says);
    const pems = await bucket.list(layout.pems(fleet, one));
    assert.deepEqual(pems, [layout.pem(fleet, one, replacement?.sha256 ?? '')], says);
    assert.equal(await readRevocation(bucket, one), undefined, says);
  }
});

const certificates = async (bucket: Operator['bucket']) =>
  parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest.certificates;

/** A host has proved all that is published. */
async function reportAll(bucket: Operator['bucket']): Promise<void> {
  const now = new Date().toISOString();
  const files = Object.entries(await certificates(bucket)).flatMap(([one, { pems }]) =>
    pems.map(({ sha256, serial }): FileStatus => {
      const wanted = { sha256, serial };
      return { file: `${one}.pem`, certificate: named(one), state: 'served', since: now, wanted };
    }),
  );
  const status = makeHostStatus('lb1', { fleet, reportedAt: now, files });
  await bucket.put(layout.status(fleet, hostName.parse('lb1')), serializeHostStatus(status));
}

/** As kill -9: from that call on, nothing of the process reaches the bucket. */
function dieAt(t: TestContext, verb: Death[1], wanted: RegExp, when: Death[3]) {
  let isDead = false;
  let hits = 0;
  const real = {
    put: DirectoryBucket.prototype.put,
    delete: DirectoryBucket.prototype.delete,
    erase: DirectoryBucket.prototype.erase,
  };
  const verbs = ['put', 'delete', 'erase'] as const;
  const mocks = verbs.map((one) =>
    t.mock.method(
      DirectoryBucket.prototype,
      one,
      async function (this: DirectoryBucket, ...words: [string, never]) {
        const [key] = words;
        const isMatch = one === verb && wanted.test(key);
        hits += isMatch ? 1 : 0;
        const isHit = isMatch && hits === (when === 'second' ? 2 : 1);
        if (isDead || (isHit && when !== 'behind')) {
          isDead = true;
          throw new TypeError(`killed at ${one} ${key}`);
        }
        const result = await Reflect.apply(real[one], this, words);
        if (!isHit) return result;
        isDead = true;
        throw new TypeError(`killed behind ${one} ${key}`);
      },
    ),
  );
  return {
    isDead: () => isDead,
    end: () => {
      for (const { mock } of mocks) mock.restore();
    },
  };
}
