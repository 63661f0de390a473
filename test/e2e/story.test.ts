/** `npm start -- --once --json`, as a user types it, but for the build that the tests have done already. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { StoryResult } from '../demo/story.ts';

const main = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

test('the main job runs whole on one machine: issued, served, renewed on the same HAProxy without a failed request', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    main,
    '--once',
    '--json',
  ]);

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
