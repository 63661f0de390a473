/** Snapshots of the template, so that a review shows what a change of the construct does to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { assertSnapshot } from './snapshot.ts';
import { http01, synthesize, synthesizeEverything } from './stacks.ts';

function textOf(template: Template): string {
  return `${JSON.stringify(template.toJSON(), null, 2)}\n`;
}

test('snapshot: the defaults, with HTTP-01', () => {
  assertSnapshot('defaults.json', textOf(synthesize(http01).template));
});

test('snapshot: everything set, with DNS-01', () => {
  assertSnapshot('everything.json', textOf(synthesizeEverything().template));
});

test('two syntheses give the same template to the byte', () => {
  assert.equal(textOf(synthesize(http01).template), textOf(synthesize(http01).template));
  assert.equal(textOf(synthesizeEverything().template), textOf(synthesizeEverything().template));
});
