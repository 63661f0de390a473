/** The programs of the last release that knew version 1 of the contract only, as files that a test can run: README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { makeTempDir } from '../temp-dir.ts';

export const RELEASED = {
  commit: 'f20f4ca',
  entries: { agent: 'agent/main.ts', cli: 'lambda/cli.ts' },
} as const;

export type ReleasedName = keyof typeof RELEASED.entries;

export function releasedFile(name: ReleasedName): string {
  return fileURLToPath(new URL(`./${name}-${RELEASED.commit}.mjs.br`, import.meta.url));
}

const unpacked = new Map<ReleasedName, string>();

/** @returns path of the program, which Node.js runs; unpacked once a test process */
export function releasedProgram(name: ReleasedName): string {
  const known = unpacked.get(name);
  if (known !== undefined) return known;
  const path = join(makeTempDir().path, `released-${name}.mjs`);
  writeFileSync(path, brotliDecompressSync(readFileSync(releasedFile(name))), { mode: 0o600 });
  unpacked.set(name, path);
  return path;
}
