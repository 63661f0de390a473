// The same key in a bucket of S3: its conditions decide where issuers race.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { codeOf } from '#contract/errors.ts';
import { followKeys, parseKeys } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { nameRecoveryKey, recoverKey, rotateKey } from '../../../lambda/signing/change-key.ts';
import { readRecoveryKey } from '../../../lambda/signing/recovery-file.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { startAws } from '../../aws/aws.ts';
import { setEnv } from '../../support/env.ts';
import { fleet } from '../../support/issuer/documents.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const NAME = 'certs';
const fleets = [fleet];
const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket(NAME);

test('two first passes agree on one key, of two rotations one is refused, and a lost issuer/ is recovered', async () => {
  const buckets = await Promise.all([1, 2].map(() => openBucket(`s3://${NAME}`)));
  const [bucket] = buckets as [(typeof buckets)[0]];
  const change = { bucket, configured: fleets, now: new Date(), dryRun: false };
  const file = `${makeTempDir().path}/recovery.json`;

  const opened = await Promise.all(buckets.map((one) => openSigningKey(one, { fleets })));
  await nameRecoveryKey(change, file);
  const rotations = await Promise.all(
    buckets.map((one) => rotateKey({ ...change, bucket: one }).then(() => 'rotated', codeOf)),
  );
  const second = await openSigningKey(bucket, { fleets });
  await bucket.delete(layout.signingKey);
  const lost = await openSigningKey(bucket, { fleets }).catch(codeOf);
  await recoverKey(change, await readRecoveryKey(file));
  const third = await openSigningKey(bucket, { fleets });

  const [first] = opened.map(({ signer, lineage }) => ({ key: signer.key, lineage }));
  assert.deepEqual(
    opened.map(({ signer, lineage }) => ({ key: signer.key, lineage })),
    [first, first],
  );
  assert.deepEqual(rotations.sort(), ['ERR_BUCKET_CONFLICT', 'rotated']);
  assert.equal(lost, 'ERR_SIGNING_KEY_LOST');
  assert.equal(third.lineage, first?.lineage);
  const statements = parseKeys(fleet, Buffer.from(aws.s3.text(NAME, layout.keys(fleet)) ?? ''));
  for (const { signer } of [...opened, second]) {
    const { key } = followKeys(statements, { key: signer.key, number: 0, recoveredAt: 0 });
    assert.equal(key, third.signer.key);
  }
});
