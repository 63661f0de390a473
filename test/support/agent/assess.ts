// Looking at what a pass has done.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Finished } from './program.ts';

/** Every file below a folder with its time of change and inode: a write leaves a trace here. */
export function traces(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('.lock'))
    .sort()
    .map((name) => {
      const { mtimeMs, ino } = statSync(join(folder, name));
      return `${name} ${mtimeMs} ${ino}`;
    });
}

export function assertOk({ code, stderr }: Finished): void {
  assert.equal(code, 0, stderr);
}

export const actionsOf = ({ stdout }: Finished) =>
  (JSON.parse(stdout) as { files: { file: string; action: string }[] }).files.map(({ file, action }) => [
    file,
    action,
  ]);
