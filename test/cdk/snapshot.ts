/** Texts as last reviewed, without digests, because programs change daily. `PEMFLEET_UPDATE_SNAPSHOTS=1 npm run test:cdk` rewrites them. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const isUpdate = process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1';

export function assertSnapshot(name: string, found: string): void {
  const file = fileURLToPath(new URL(`snapshot/${name}`, import.meta.url));
  const text = found.replaceAll(/[0-9a-f]{64}/g, '<digest>');
  if (isUpdate) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), 'differs from the snapshot: see the head of snapshot.ts');
}
