/**
 * dist/types: what an editor and a compiler see of the construct. tsc declares the whole tree; only what cdk/index.ts leads to is
 * shipped, and it may lead to nothing but aws-cdk-lib and constructs: what a consumer has. `@internal` takes the rest out.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative } from 'node:path';

const OUT = 'dist/types';
const THEIRS = /^(aws-cdk-lib(\/.+)?|constructs)$/;
/** tsc writes each on a line of its own. */
const IMPORT = /(?<=^(?:import|export) .* from ')[^']+(?=';$)/gm;

const declared = mkdtempSync(join(tmpdir(), 'pemfleet-types-'));
try {
  const flags = ['--noEmit', 'false', '--emitDeclarationOnly', '--declaration', '--stripInternal'];
  const project = join(import.meta.dirname, 'cdk/tsconfig.json');
  const tsc = join(import.meta.dirname, 'node_modules/.bin/tsc');
  const places = ['--rootDir', import.meta.dirname, '--outDir', declared];
  execFileSync(tsc, ['-p', project, ...flags, ...places], { stdio: ['ignore', 2, 2] });
  rmSync(OUT, { recursive: true, force: true });
  const files = [...reachable(join(declared, 'cdk/index.d.ts'))];
  for (const file of files) ship(file);
  console.error(`built ${OUT}: ${files.length} files`);
} finally {
  rmSync(declared, { recursive: true, force: true });
}

function ship(file: string): void {
  const target = join(OUT, relative(join(declared, 'cdk'), file));
  mkdirSync(dirname(target), { recursive: true });
  // TypeScript before 5 wants the name that a bundler would have given the program.
  writeFileSync(
    target,
    readFileSync(file, 'utf8').replace(IMPORT, (name) => name.replace(/\.ts$/, '.js')),
  );
}

function reachable(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [name] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
    const next = join(dirname(file), name.replace(/\.ts$/, '.d.ts'));
    const isOurs = name.startsWith('.') && normalize(next).startsWith(join(declared, 'cdk'));
    if (isOurs) reachable(next, found);
    else if (!THEIRS.test(name)) {
      throw new Error(
        `${relative(declared, file)} leads to ${name}, which is not shipped: mark it @internal`,
      );
    }
  }
  return found;
}
