/** `issuer/revocation/<certificate>.json`: changed only as it is at the moment of writing, also where a request ends, or cannot be read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  addToRevocation,
  cancelRevocation,
  readRevocation,
  readRevocations,
  revokingPems,
  takeOutOfRevocation,
} from '../../../../lambda/replacement/revocations.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { DIRECTORY_URL } from '../../../support/issuer/documents.ts';

const name = certificateName.parse('a.test');
const key = layout.revocation(name);
const pemOf = (digit: string) => ({
  ...{ sha256: digit.repeat(64), serial: digit.repeat(8), directoryUrl: DIRECTORY_URL },
  ...{ at: noon.toISOString(), reason: 'superseded' as const, by: 'a test' },
});
const [old, other] = [pemOf('A'), pemOf('B')].map((pem) => ({ ...pem, sha256: pem.sha256.toLowerCase() }));
const serialsIn = async (bucket: Bucket) =>
  revokingPems(await readRevocation(bucket, name)).map(({ serial }) => serial);

test('what a person asks for while another request ends is asked for', async () => {
  const memory = memoryBucket();
  assert.ok(old && other);
  await addToRevocation(memory, name, [old]);
  let isEnded = false;
  const put: Bucket['put'] = async (at, body, condition) => {
    const result = await memory.put(at, body, condition);
    if (!isEnded) await addToRevocation(memory, name, [other]);
    isEnded = true;
    return result;
  };

  await takeOutOfRevocation(interposed(memory, { put }), name, new Set([old.sha256]), 'superseded');

  assert.equal(isEnded, true);
  assert.deepEqual(await serialsIn(memory), [other.serial]);
});

test('two who replace a request that cannot be read lose nothing of each other', async () => {
  const memory = memoryBucket();
  assert.ok(old && other);
  memory.plant(key, '[[[');
  let isFirst = true;
  const get = async (at: string, options?: never) => {
    const object = await memory.get(at, options as never);
    if (isFirst) {
      isFirst = false;
      await addToRevocation(memory, name, [other]);
    }
    return object;
  };

  await addToRevocation(interposed(memory, { get: get as Bucket['get'] }), name, [old]);

  assert.deepEqual((await serialsIn(memory)).sort(), [old.serial, other.serial]);
});

test('what has ended is no request any more, in no listing, and can be taken back by nobody', async () => {
  const memory = memoryBucket();
  assert.ok(old);
  await addToRevocation(memory, name, [old]);
  await takeOutOfRevocation(memory, name, new Set([old.sha256]), 'superseded');
  const ended = memory.text(key);

  await cancelRevocation(memory, name, noon);

  assert.deepEqual([await readRevocation(memory, name), await readRevocations(memory)], [undefined, []]);
  assert.equal(memory.text(key), ended);
});
