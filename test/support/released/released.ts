/** Programs of former releases, as files that a test can run: README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { makeTempDir } from '../temp-dir.ts';

/** The last that knew version 1 of the contract only. */
export const RELEASED = {
  commit: 'f20f4ca',
  entries: { agent: 'agent/main.ts', cli: 'lambda/cli.ts' },
} as const;

export type ReleasedName = keyof typeof RELEASED.entries;

/** The last that came from npm only, with units to be copied to /etc/systemd/system; `host` has those. */
export const BEFORE_PACKAGES = '3f4e146';

export function releasedFile(name: ReleasedName, commit: string = RELEASED.commit): string {
  return fileURLToPath(new URL(`./${name}-${commit}.mjs.br`, import.meta.url));
}

export const hostFilesBeforePackages = fileURLToPath(
  new URL(`./host-${BEFORE_PACKAGES}.tar.gz`, import.meta.url),
);

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
