// `npm run test:KIND [-- WORD…]`: the test files of a kind, or those of them whose path holds one of the words.
// Pure tests share a few processes: to start one for each file, with the TypeScript loader, costs more than its tests.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

interface Kind {
  folders: readonly string[];
  /** How many processes run at a time. */
  concurrency: number;
  /** Into so many processes the files are dealt; without it, each has its own. */
  processes?: number;
}

const KINDS: Record<string, Kind> = {
  /** No network, no processes. */
  unit: { folders: ['test/unit'], concurrency: 2, processes: 2 },
  /** Real HAProxy, Pebble, Caddy's peers of them; the stand-in of AWS and moto. */
  parts: { folders: ['test/parts', 'test/aws'], concurrency: 3 },
  /** The deployment, synthesized; needs `npm run build`. */
  cdk: { folders: ['test/cdk'], concurrency: 2, processes: 4 },
  /** The programs as a user starts them. */
  e2e: { folders: ['test/e2e'], concurrency: 2 },
  /** The campaigns. */
  long: { folders: ['test/long'], concurrency: 2 },
  /** The agent as a host gets it, in a Debian that boots. */
  install: { folders: ['test/install'], concurrency: 1 },
};

function filesOf({ folders }: Kind, words: readonly string[]): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const tests = files.filter((file) => file.endsWith('.test.ts')).sort();
  return words.length === 0 ? tests : tests.filter((file) => words.some((word) => file.includes(word)));
}

/** One entry for each process; it imports its share of the files one after another. */
function entriesOf(files: readonly string[], processes: number, directory: string): string[] {
  return Array.from({ length: Math.min(processes, files.length) }, (_, share) => {
    const own = files.filter((_file, index) => index % processes === share);
    const entry = join(directory, `share-${share + 1}.mjs`);
    writeFileSync(entry, own.map((file) => `await import(${JSON.stringify(resolve(file))});\n`).join(''));
    return entry;
  });
}

const [name = '', ...words] = process.argv.slice(2);
const kind = KINDS[name];
if (kind === undefined)
  throw new Error(`no kind of tests is called "${name}": ${Object.keys(KINDS).join(', ')}`);
const files = filesOf(kind, words);
if (files.length === 0) throw new Error(`no test file of kind ${name} has ${words.join(' or ')} in its path`);
const directory = mkdtempSync(join(resolve('.parts'), 'tests-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const entries =
  kind.processes === undefined
    ? files.map((file) => resolve(file))
    : entriesOf(files, kind.processes, directory);
run({ files: entries, concurrency: kind.concurrency })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(process.stdout.isTTY ? new spec() : tap)
  .pipe(process.stdout);
