import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

function sourcesIn(folder: string): [string, string][] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => [file.replace(/\.test\.ts$/, ''), readFileSync(join(folder, file), 'utf8')]);
}

test('what test/parts tries with one version of HAProxy, one file of test/long/versions tries with the others', () => {
  const inParts = sourcesIn('test/parts').filter(([, source]) => source.includes('testedVersions()'));
  const inLong = sourcesIn('test/long/versions').flatMap(([, source]) =>
    [...source.matchAll(/'(agent\/[\w/-]+)'/g)].map(([, file]) => file),
  );

  assert.ok(inParts.length > 10);
  assert.deepEqual(inLong.sort(), inParts.map(([file]) => file).sort());
});
