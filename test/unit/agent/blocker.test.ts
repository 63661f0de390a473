import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { asBlocker } from '../../../agent/blocker.ts';
import { HostError, RuntimeCommandFailed } from '../../../agent/errors.ts';

test('an error of ours blocks as it is', () => {
  for (const error of [
    new RuntimeCommandFailed('ERR_RUNTIME_TIMEOUT', { verb: 'show info' }, 'm'),
    new BucketError('ERR_BUCKET_IO', 'k', 'm'),
    new HostError('ERR_MANIFEST_MISSING', 'm'),
  ]) {
    assert.equal(asBlocker(error), error);
  }
});

test('any other failure keeps its code and its messages', () => {
  const cause = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  const errors = [cause, new TypeError('bug', { cause }), 'text', undefined];

  for (const error of errors) {
    const blocker = asBlocker(error);

    assert.ok(blocker instanceof Error);
    assert.equal(blocker.code, codeOf(error));
    assert.equal(messageOf(blocker), messageOf(error));
  }
});
