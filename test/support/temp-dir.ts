// Temporary folders of parts. Short names, because the path of a Unix socket has at most 107 bytes.
import { mkdtempSync, rmSync } from 'node:fs';

export interface TempDir {
  path: string;
  remove(): void;
}

export function makeTempDir(): TempDir {
  const path = mkdtempSync('/tmp/pf-');
  const remove = () => {
    process.off('exit', remove);
    rmSync(path, { recursive: true, force: true });
  };
  process.on('exit', remove);
  return { path, remove };
}
