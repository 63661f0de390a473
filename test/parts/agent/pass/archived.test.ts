// Objects that somebody, or a lifecycle rule, has put into an archive: S3 refuses their bytes until they are restored.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { startAws } from '../../../aws/aws.ts';
import { AwsFailure } from '../../../aws/wire.ts';
import { fleet, host } from '../../../support/agent/host.ts';
import { passHere } from '../../../support/agent/program.ts';
import { publisher, serialOf } from '../../../support/agent/publish.ts';
import { HOSTS_BUCKET } from '../../../support/agent/s3-rights.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { setEnv } from '../../../support/env.ts';

const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));
aws.s3.createBucket(HOSTS_BUCKET);

/** @returns what restores it */
const archive = (subject: RegExp) =>
  aws.fault(
    { service: 's3', operation: 'GetObject', subject },
    {
      refuse: new AwsFailure(
        403,
        'InvalidObjectState',
        "The operation is not valid for the object's storage class",
      ),
    },
  );

test("an archived PEM is that certificate's failure, an archived root takes nothing away: both are named, and heal", async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const bucket = await openBucket(`s3://${HOSTS_BUCKET}`);
  const { publish } = publisher(bucket, stage.pki);
  const pass = () => passHere([...stage.flags, '--bucket', bucket.url]);
  const status = async () => {
    const object = await bucket.get(layout.status(fleet, host));
    return parseHostStatus(fleet, host, object?.body ?? Buffer.alloc(0));
  };
  await publish('shop', { names: ['shop.test'] });
  assert.equal((await pass()).code, 0);

  const shop = await publish('shop', { names: ['shop.test'] });
  const blog = await publish('blog', { names: ['blog.test'] });
  const restorePem = archive(/\/pem\/blog\//);
  const one = await pass();
  assert.equal(one.code, 3, one.stderr);
  assert.match(one.stderr, /event=certificate\.pending certificate=blog .*code=ERR_BUCKET_ARCHIVED/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop), 'the other one is served');
  const { files, error } = await status();
  const stateOf = Object.fromEntries(files.map((file) => [file.certificate, file.error?.code ?? file.state]));
  assert.deepEqual([stateOf, error], [{ shop: 'served', blog: 'ERR_BUCKET_ARCHIVED' }, undefined]);

  const restoreRoot = archive(/root\.json$/);
  const none = await pass();
  assert.equal(none.code, 1, none.stderr);
  assert.match(none.stderr, /code=ERR_BUCKET_ARCHIVED/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop), 'what is served stays');
  assert.equal((await status()).error?.code, 'ERR_BUCKET_ARCHIVED');

  restorePem();
  restoreRoot();
  assert.equal((await pass()).code, 0);
  assert.equal((await stage.handshake('blog.test')).serial, serialOf(blog));
});
