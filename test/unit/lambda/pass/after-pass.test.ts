// The end of a pass: what was done is not forgotten because something else could not be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { readHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import type { FleetNotifier } from '../../../../lambda/fleet/run-command.ts';
import { afterPass } from '../../../../lambda/pass/after-pass.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fakeClock, noon } from '../../../support/clock.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';

const notifier: FleetNotifier = { notify: async () => 'command-1', result: async () => undefined };
const manifests = new Map([[fleet, { manifest: emptyManifest(fleet, noon), etag: '"m"' }]]);
const result = { outcomes: [], manifests, changed: [fleet] };

test('hosts that were called are remembered, though their statuses cannot be read', async () => {
  const bucket = memoryBucket();
  const broken = new BucketError('ERR_BUCKET_UNREACHABLE', layout.statuses(fleet), 'S3 is out of reach');
  const entries = () => Promise.reject(broken);
  const { log } = recordEvents();

  const unlisted = interposed(bucket, { entries });
  const ended = await afterPass({ bucket: unlisted, timing: fakeClock(), log }, notifier, result);

  assert.deepEqual(ended.failures, [broken]);
  assert.equal(ended.metrics.RunFinished, 1);
  assert.deepEqual((await readHostSummaries(bucket)).calls, [{ command: 'command-1', fleet, at: noon }]);
});
