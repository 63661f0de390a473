/** `issuer/` and `published/` of yesterday, and a key that was changed since: the hosts follow the later one, and the issuer says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { NO_SUMMARIES, refreshHostSummaries, saveHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import type { Signing } from '../../../../lambda/signing/signing-key.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { madeUpSigning, testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const later = madeUpSigning();
const rows: [says: string, signing: Signing, isTold: boolean][] = [
  ['a later key of this lineage', later, true],
  ['today’s key', testSigning, false],
  ['a key of another lineage', { ...madeUpSigning(), lineage: 'another' }, false],
];
for (const [says, signing, isTold] of rows) {
  test(`two hosts have read a root of ${says}: ${isTold ? 'the pass names key and hosts' : 'nothing is said'}`, async () => {
    const bucket = memoryBucket(reportTime);
    await testPublisher(bucket, fleet, { signing }).maintain(new Set());
    const head = /"signature": "([^"]+)"/.exec(bucket.text(layout.root(fleet)) ?? '')?.[1] ?? '';
    await bucket.delete(layout.root(fleet));
    await bucket.delete(layout.tombstones(fleet));
    await publishEntry(bucket, 'a.test');
    for (const host of ['lb1', 'lb2']) {
      const status = makeHostStatus(host, { contract: 2, head });
      await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
    }
    const deadline = startDeadline(5_000);
    const read = await refreshHostSummaries(bucket, {}, [fleet], { now: noon, keys: testSigning, deadline });
    deadline.clear();
    await saveHostSummaries(bucket, { ...NO_SUMMARIES, fleets: read.fleets }, NO_SUMMARIES);
    const { run, events } = passOver(bucket);

    await run([{ identifiers: ['a.test'] }]);

    const told = { fleet, key: later.signer.key, count: 2, hosts: ['lb1', 'lb2'] };
    assert.deepEqual(events.fieldsOf('signing-key.unknown'), isTold ? [told] : []);
  });
}
