/** What docs/examples.md shows is what the other pages say, and what tests run. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { blocksOf } from '../support/docs/blocks.ts';

test('the example for one host is the blocks of docs/standalone.md', () => {
  const texts = blocksOf('docs/standalone.md').map(({ text }) => `${text}\n`);

  for (const file of readdirSync('docs/examples/one-host')) {
    assert.ok(texts.includes(readFileSync(`docs/examples/one-host/${file}`, 'utf8')), file);
  }
});

test('docs/examples.md names every example, and tests that there are', () => {
  const page = readFileSync('docs/examples.md', 'utf8');

  for (const folder of readdirSync('docs/examples')) {
    assert.ok(page.includes(`](examples/${folder})`), folder);
  }
  for (const [, file = ''] of page.matchAll(/`(test\/[\w./-]+\.ts)`/g)) assert.ok(existsSync(file), file);
});
