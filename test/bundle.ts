/**
 * Test files as plain JavaScript. The TypeScript loader costs each process 1.5 s of CPU time (200 files, 300 modules each); together, in
 * chunks that they share, they are made in a few seconds.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { SourceMap, type SourceMapping } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin, transform } from 'esbuild';

/** In it, `import` finds the packages; Git does not see it. */
const CACHE = 'node_modules/.cache';
const TARGET = 'node20';

export interface Bundle {
  /** By source file, both absolute. */
  files: ReadonlyMap<string, string>;
  /** @returns the source file that has this place of a bundled one */
  sourceOf(place: Partial<Place>): string | undefined;
  remove(): void;
}

/** In a file, from 1. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

/** @throws what esbuild says of a file that is no TypeScript, or imports what is not there */
export async function bundleTests(files: readonly string[]): Promise<Bundle> {
  mkdirSync(CACHE, { recursive: true });
  const outdir = mkdtempSync(resolve(CACHE, 'test-'));
  const remove = () => rmSync(outdir, { recursive: true, force: true });
  try {
    await build({
      entryPoints: [...files],
      ...{ outdir, outbase: '.', outExtension: { '.js': '.mjs' } },
      ...{ bundle: true, splitting: true, packages: 'external', plugins: [withPlaces] },
      ...{ format: 'esm', platform: 'node', target: TARGET, sourcemap: 'linked', logLevel: 'silent' },
    });
  } catch (error) {
    remove();
    throw error;
  }
  const made = (file: string) => join(outdir, file.replace(/\.ts$/, '.mjs'));
  return {
    files: new Map(files.map((file) => [resolve(file), made(file)])),
    sourceOf: sourcesIn(outdir),
    remove,
  };
}

function sourcesIn(outdir: string): Bundle['sourceOf'] {
  const maps = new Map<string, SourceMap>();
  return ({ file, line = 1, column = 1 }) => {
    if (file === undefined || !file.startsWith(outdir)) return undefined;
    const map = maps.get(file) ?? new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')));
    maps.set(file, map);
    const { originalSource } = map.findEntry(line - 1, column - 1) as SourceMapping;
    return originalSource && resolve(dirname(file), originalSource);
  };
}

/** A module knows its place in the tree, as if it had not been bundled. */
const withPlaces: Plugin = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /\.m?[jt]s$/ }, async ({ path }) => {
      if (path.includes(`${sep}node_modules${sep}`)) return undefined;
      const { code } = await transform(readFileSync(path, 'utf8'), {
        ...{
          loader: path.endsWith('ts') ? 'ts' : 'js',
          sourcefile: path,
          sourcemap: 'inline',
          target: TARGET,
        },
        define: {
          'import.meta.url': JSON.stringify(pathToFileURL(path).href),
          'import.meta.dirname': JSON.stringify(dirname(path)),
        },
      });
      return { contents: code, loader: 'js' };
    });
  },
};
