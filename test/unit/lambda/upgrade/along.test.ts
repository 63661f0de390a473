/** Version 1 along with a commit: what a command does, and the first pass of a fleet whose agents are all old. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { askFleetsWithoutRoot } from '../../../../lambda/pass/roots/fleets-without-root.ts';
import { surveyBucket } from '../../../../lambda/pass/survey.ts';
import { Publisher } from '../../../../lambda/publication/publisher.ts';
import { publisherOptions } from '../../../../lambda/upgrade/along.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { madeUpTexts, readPublished, testSigning } from '../../../support/issuer/signing.ts';

const key = layout.manifest(fleet);
const entry = makeEntry();

test('a command reads manifest.json once, and one that cannot be written takes no commit back', async () => {
  for (const isDenied of [false, true]) {
    const bucket = memoryBucket();
    await bucket.put(key, 'what nobody can read is replaced');
    const { log, fieldsOf } = recordEvents();
    const store = interposed(bucket, {
      put: async (of, ...rest) => {
        if (isDenied && of === key) throw new BucketError('ERR_BUCKET_DENIED', of, 'as planted');
        return bucket.put(of, ...rest);
      },
    });
    const signing = { ...testSigning, isInherited: () => false };
    const publisher = new Publisher(
      store,
      fleet,
      publisherOptions(store, signing, () => noon, log),
    );
    await publisher.publish(named('a.test'), entry, madeUpTexts(entry));
    const before = bucket.calls.length;

    await publisher.withdraw([named('a.test')], { reason: 'withdrawn' });

    assert.deepEqual((await readPublished(bucket, fleet))?.manifest.certificates, {});
    const reads = bucket.calls.slice(before).filter((call) => call === `get ${key}`);
    assert.equal(reads.length, 1);
    assert.equal(fieldsOf('version-1.failed').length, isDenied ? 1 : 0);
  }
});

test('a new fleet whose agents are all old has manifest.json with its first commit', async () => {
  for (const contract of [undefined, 2]) {
    const bucket = memoryBucket(reportTime);
    const status = makeHostStatus('lb1', contract === undefined ? {} : { contract });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
    const pass = passOver(bucket).passFor([{ identifiers: ['a.test'] }]);
    const survey = await surveyBucket(pass);

    await askFleetsWithoutRoot(pass, survey);
    await survey.publishers.get(fleet)?.publish(named('a.test'), entry, madeUpTexts(entry));

    assert.equal((await bucket.get(key)) !== undefined, contract === undefined);
  }
});
