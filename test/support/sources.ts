/** The product's source as text: its files, what they import of each other, and what they export. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Paths from the repository on. */
export const sourceFiles: readonly string[] = ['lambda', 'agent', 'cdk'].flatMap((program) =>
  readdirSync(`${repository}${program}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => `${program}/${file}`),
);

export const textOf = (file: string) => readFileSync(`${repository}${file}`, 'utf8');

/** Source files that `file` imports: by a relative path, by an alias (`#contract/…`), by `import('…')`. */
export function importsOf(file: string): string[] {
  const specifiers = [...textOf(file).matchAll(/(?:\bfrom|\bimport\()\s*'([#.][^']+)'/g)];
  return specifiers
    .map(([, specifier = '']) =>
      specifier.startsWith('#') ? `lambda/${specifier.slice(1)}` : posix.join(posix.dirname(file), specifier),
    )
    .filter((target) => sourceFiles.includes(target));
}

const EXPORT = /^export (?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type) (\w+)/gm;

/** Names that `file` defines and exports. */
export function exportsOf(file: string): string[] {
  return [...textOf(file).matchAll(EXPORT)].map(([, name = '']) => name);
}
