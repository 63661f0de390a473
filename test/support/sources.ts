/** The product's source as text: its files, what they import of each other, and what they export. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Paths from the repository on. */
export const sourceFiles: readonly string[] = ['lambda', 'agent', 'cdk'].flatMap((program) =>
  readdirSync(`${repository}${program}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[cm]?[jt]sx?$/.test(file) && !/\.d\.[cm]?ts$/.test(file))
    .map((file) => `${program}/${file}`),
);

export const textOf = (file: string) => readFileSync(`${repository}${file}`, 'utf8');

const SPECIFIER = /\b(?:from|import|import\(|require\()\s*(['"`])([^'"`\n]+)\1/g;

/** What `file` imports, as it says it: by `import`, `export … from`, `import()` or `require()`, for a side effect or a type. */
export function specifiersOf(file: string): string[] {
  return [...textOf(file).matchAll(SPECIFIER)].map(([, , specifier = '']) => specifier);
}

/**
 * Files of ours that `file` imports: by a relative path, or by an alias (`#contract/…`).
 * @throws Error for one that is no source file: what the walls cannot follow they cannot hold
 */
export function importsOf(file: string): string[] {
  const ours = specifiersOf(file).filter((specifier) => /^[.#]/.test(specifier));
  return ours
    .map((specifier) => ({ specifier, path: pathOf(file, specifier) }))
    .filter(({ path }) => !DATA.includes(path))
    .map(({ specifier, path }) => {
      if (!sourceFiles.includes(path))
        throw new Error(`${file} imports ${specifier}, which is no source file`);
      return path;
    });
}

/** Read, not imported as code. */
const DATA: readonly string[] = ['package.json'];

const pathOf = (file: string, specifier: string) =>
  specifier.startsWith('#') ? `lambda/${specifier.slice(1)}` : posix.join(posix.dirname(file), specifier);

const EXPORT = /^export (?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm;

/** Names that `file` defines and exports. */
export function exportsOf(file: string): string[] {
  return [...textOf(file).matchAll(EXPORT)].map(([, name = '']) => name);
}

/** Lines of `file` that export in a way whose names `exportsOf` does not see. */
export function otherExportsOf(file: string): string[] {
  return [...textOf(file).matchAll(/^export (?:type )?[{*].*$|^export (?:const|let) [{[].*$/gm)].map(
    ([line]) => line,
  );
}
