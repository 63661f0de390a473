/** A change of the key that ends right after, or in place of, each of its writes: the next pass has one key, and every host finds it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { followKeys, parseKeys, type TrustedKey } from '#contract/key-chain.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  type KeyChange,
  nameRecoveryKey,
  recoverKey,
  rotateKey,
} from '../../../../lambda/signing/change-key.ts';
import { readRecoveryKey } from '../../../../lambda/signing/recovery-file.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { makeFileNames } from '../../../support/temp-dir.ts';

const newFile = makeFileNames('.json');
const fleets = [fleet, fleetName.parse('inner')];

class Killed extends Error {}

/** @param kill after how many writes; 0.5 less: the last of them is not made any more */
function killing(bucket: Bucket, kill: number): { bucket: Bucket; writes: () => number } {
  let writes = 0;
  const put = async (...[key, body, condition]: Parameters<Bucket['put']>) => {
    writes += 1;
    const write = writes;
    if (write === Math.ceil(kill) && kill % 1 !== 0) throw new Killed();
    const result = await bucket.put(key, body, condition);
    if (write === kill) throw new Killed();
    return result;
  };
  return { bucket: Object.assign(Object.create(bucket) as Bucket, { put }), writes: () => writes };
}

interface Row {
  says: string;
  work: (change: KeyChange, file: string) => Promise<unknown>;
}

const makeFile = (change: KeyChange, file: string) => nameRecoveryKey(change, file);
const recover = async (change: KeyChange, file: string) => recoverKey(change, await readRecoveryKey(file));

const ROWS: readonly Row[] = [
  { says: 'a rotation', work: rotateKey },
  { says: 'the making of a recovery key', work: makeFile },
  { says: 'a recovery', work: recover },
];

for (const { says, work } of ROWS) {
  for (const kill of [0.5, 1, 1.5, 2, 2.5, 3]) {
    test(`${says}, killed after ${kill} writes: the next pass mends it, and the command can come again`, async () => {
      const memory = memoryBucket();
      const file = newFile();
      const changeAt = (bucket: Bucket, hours: number): KeyChange => {
        return { bucket, configured: fleets, now: after(noon, hours * HOUR_MS), dryRun: false };
      };
      const first = await openSigningKey(memory, { fleets });
      if (work === recover) await makeFile(changeAt(memory, 1), file);
      const { bucket, writes } = killing(memory, kill);

      const end = await work(changeAt(bucket, 2), file).catch((error: unknown) => error);
      const next = await openSigningKey(memory, { fleets });
      await work(changeAt(memory, 3), file);
      const last = await openSigningKey(memory, { fleets });

      assert.ok(end instanceof Killed, `wrote ${writes()} times`);
      for (const signing of [next, last]) {
        assert.equal(signing.lineage, first.lineage);
        assert.ok(signing.isOurs(first.signer.key, noon.getTime()));
      }
      for (const name of fleets) {
        const statements = parseKeys(name, Buffer.from(memory.text(layout.keys(name)) ?? ''));
        for (const { signer } of [first, next]) {
          const host: TrustedKey = { key: signer.key, number: 0, recoveredAt: 0 };
          assert.equal(followKeys(statements, host).key, last.signer.key);
        }
      }
    });
  }
}
