/** What is below a directory; links are entries, and lead nowhere. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** @returns paths relative to it, a directory before what is in it; none where there is no directory */
export function pathsBelow(directory: string): string[] {
  const walk = (relative: string): string[] =>
    readdirSync(join(directory, relative), { withFileTypes: true }).flatMap((entry) => {
      const path = join(relative, entry.name);
      return entry.isDirectory() ? [path, ...walk(path)] : [path];
    });
  try {
    return walk('');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
