import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PEMFLEET_VERSION } from '#contract/version.ts';

test('the version that the programs report is the released one', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

  assert.equal(PEMFLEET_VERSION, version);
});
