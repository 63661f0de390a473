/** `npm start -- --once --json`, as a user types it, but for the build that the tests have done already. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StoryResult } from '../demo/story.ts';
import { finish } from './finish.ts';

const main = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

test('the main job runs whole on one machine: issued, served, renewed on the same HAProxy without a failed request', async () => {
  const args = ['tsx', main, '--once', '--json'];
  const { status, stdout, stderr } = await finish('--import', args, { deadlineMs: 240_000 });

  assert.equal(status, 0, stderr);
  const result = JSON.parse(stdout) as StoryResult;
  assert.equal(result.certificates.length, 3);
  assert.deepEqual(Object.keys(result).sort(), [
    'certificates',
    'failedRequestsDuringRenewal',
    'haproxyPidAfter',
    'haproxyPidBefore',
    'seconds',
  ]);
  for (const certificate of result.certificates) {
    assert.equal(certificate.servedSerial, certificate.renewedSerial);
    assert.notEqual(certificate.renewedSerial, certificate.firstSerial);
    assert.ok(certificate.chainLength >= 2);
  }
  assert.equal(result.haproxyPidAfter, result.haproxyPidBefore);
  assert.equal(result.failedRequestsDuringRenewal, 0);
});
