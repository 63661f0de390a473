// Field D, "clock -1 d (also called silent)": a host is judged by the store's clock, and its own is compared with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import { isSilent } from '../../../../lambda/fleet/behind.ts';
import { readStatuses } from '../../../../lambda/fleet/read-reports.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeHostStatus } from '../../../support/issuer/documents.ts';

for (const [says, offsetMs, isNamed] of [
  ['agrees with the store', 0, false],
  ['is a minute ahead', MINUTE_MS, false],
  ['is more than a minute ahead', MINUTE_MS + 1, true],
  ['seems a little behind, because the write was tried again', -90_000, false],
  ['is a day behind', -DAY_MS, true],
  ['is 100 days ahead', 100 * DAY_MS, true],
] as const) {
  test(`a host whose clock ${says} is not silent, and ${isNamed ? 'its offset is known' : 'has no offset'}`, async () => {
    const bucket = memoryBucket(() => noon);
    const status = makeHostStatus('lb1', { reportedAt: after(noon, offsetMs).toISOString() });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));

    const [read] = (await readStatuses(bucket, fleet)).statuses;

    assert.equal(read?.reportedAt, noon.toISOString());
    assert.equal(isSilent(new Date(read?.reportedAt ?? 0), after(noon, MINUTE_MS)), false);
    assert.equal(read?.clockOffsetMs, isNamed ? offsetMs : undefined);
  });
}
