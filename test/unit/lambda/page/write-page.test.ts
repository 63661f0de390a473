// Issue 19.5: the page in the bucket: written when it has changed or is an hour old; what fails fails nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { writeStatusPage } from '../../../../lambda/page/write-page.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeConfig, makeHostStatus } from '../../../support/issuer/documents.ts';

function stage(statusPage = true) {
  const bucket = memoryBucket(reportTime);
  const events: string[] = [];
  const log = (event: string, fields = {}) => void events.push(`${event} ${Object.keys(fields)}`);
  const config = makeConfig([{ identifiers: ['a.test'] }], { statusPage });
  const pass = async (ms: number) => {
    const now = () => after(noon, ms);
    const timing = { now, deadline: after(noon, ms + MINUTE_MS), sleep: async () => undefined };
    await writeStatusPage({ bucket, config, timing, log });
    return events.splice(0);
  };
  return { bucket, pass };
}

test('the page is written once, again when a host reports something else, and again after an hour', async () => {
  const { bucket, pass } = stage();

  const first = await pass(0);
  const same = await pass(1000);
  const status = makeHostStatus('lb1', { error: { code: 'ERR_CERTS_DIRECTORY', message: 'read-only' } });
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  const changed = await pass(2000);
  const later = await pass(2000 + HOUR_MS);

  assert.deepEqual(
    [first, changed, later],
    [['status-page.written bytes'], ['status-page.written bytes'], ['status-page.written bytes']],
  );
  assert.deepEqual(same, []);
  assert.match(bucket.text(layout.statusPage) ?? '', /^<!doctype html>.*ERR_CERTS_DIRECTORY read-only/s);
});

test('without statusPage nothing is read and nothing is written', async () => {
  const { bucket, pass } = stage(false);

  assert.deepEqual(await pass(0), []);
  assert.deepEqual(bucket.calls, []);
});

test('a store that takes no page costs an event, and no pass', async () => {
  const { bucket, pass } = stage();
  bucket.put = (key) => Promise.reject(new BucketError('ERR_BUCKET_DENIED', key, 'AccessDenied'));

  assert.deepEqual(await pass(0), ['status-page.failed code,error']);
});
