/**
 * What a change of the construct changes in the template, to be read in a review. Digests are taken out: programs change daily.
 * `PEMFLEET_UPDATE_SNAPSHOTS=1 npm run test:cdk` writes them anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Template } from 'aws-cdk-lib/assertions';
import { http01, synthesize, synthesizeEverything } from './support.ts';

const isUpdate = process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1';

function textOf(template: Template): string {
  return `${JSON.stringify(template.toJSON(), null, 2)}\n`;
}

function assertSnapshot(name: string, template: Template): void {
  const file = fileURLToPath(new URL(`snapshot/${name}.json`, import.meta.url));
  const text = textOf(template).replaceAll(/[0-9a-f]{64}/g, '<digest>');
  if (isUpdate) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), 'differs from the snapshot: see the head of this file');
}

test('snapshot: the defaults, with HTTP-01', () => {
  assertSnapshot('defaults', synthesize(http01).template);
});

test('snapshot: everything set, with DNS-01', () => {
  assertSnapshot('everything', synthesizeEverything().template);
});

test('two syntheses give the same template to the byte', () => {
  assert.equal(textOf(synthesize(http01).template), textOf(synthesize(http01).template));
  assert.equal(textOf(synthesizeEverything().template), textOf(synthesizeEverything().template));
});
