// `npm run test:KIND [-- WORD…]`: the test files of a kind, or those whose path contains one of the words.
// Files that need no process of their own share a few: starting one each, with the TypeScript loader, costs more than
// their tests. Exit code 1: a test failed; 2: there is nothing to run.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';
import { type Bundle, bundleTests, type Place } from './bundle.ts';
import { makeTempDir } from './support/temp-dir.ts';

interface Kind {
  folders: readonly string[];
  /** How many processes run at a time. */
  concurrency: number;
  /** How many processes share the files; without it, each file has its own. */
  processes?: number;
  /** Without the TypeScript loader: there are many files. */
  isBundled?: boolean;
}

const KINDS: Record<string, Kind> = {
  /** No network, no programs. */
  unit: { folders: ['test/unit'], concurrency: 2, processes: 2 },
  /** With real HAProxy and Pebble, moto, the hostile CA; and the stand-in of AWS itself. */
  parts: { folders: ['test/parts', 'test/aws'], concurrency: 3, isBundled: true },
  /** The deployment, synthesized; needs `npm run build`. */
  cdk: { folders: ['test/cdk'], concurrency: 2, processes: 4 },
  /** The programs as a user starts them. */
  e2e: { folders: ['test/e2e'], concurrency: 2 },
  /** The campaigns. */
  long: { folders: ['test/long'], concurrency: 2 },
  /** The agent as a host gets it, in a Debian that boots. */
  install: { folders: ['test/install'], concurrency: 1 },
};

function filesOf({ folders }: Kind): string[] {
  const files = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
    );
  return files.filter((file) => file.endsWith('.test.ts')).sort();
}

/** Deals the files to processes: each has an entry file, which imports its share one file after another. */
function entriesOf(files: readonly string[], processes: number): string[] {
  const { path } = makeTempDir();
  return Array.from({ length: Math.min(processes, files.length) }, (_, share) => {
    const entry = join(path, `share-${share + 1}.mjs`);
    writeFileSync(entry, entryOf(files.filter((_file, index) => index % processes === share)));
    return entry;
  });
}

/**
 * A file that cannot be imported is a failed test of its name, and the others run. A test that ends the process, by
 * whatever exit code, fails the whole share: tests after it have not run. The first test waits until all files are
 * loaded, so that no test's time-out is spent on compiling the next file.
 */
const entryOf = (files: readonly string[]) => `
import { after, before, test } from 'node:test';
const files = ${JSON.stringify(files.map((file) => [file, resolve(file)]))};
const fail = () => {
  process.exitCode = 1;
  process.stderr.write(\`A test has ended the process of \${files.map(([name]) => name).join(' ')}\\n\`);
};
process.on('exit', fail);
after(() => process.off('exit', fail));
const awake = setInterval(() => undefined, 60_000);
let begin;
const isLoaded = new Promise((resolve) => { begin = resolve; }).finally(() => clearInterval(awake));
before(() => isLoaded);
for (const [name, path] of files) {
  await import(path).catch((error) => { test(\`import of \${name}\`, () => { throw error; }); });
}
begin();
`;

interface Ended extends Partial<Place> {
  nesting: number;
  details: { duration_ms: number };
}

/** Of one process: a test that never ends is one failure, and the others run. */
const FILE_DEADLINE_MS = 20 * 60_000;

async function runFiles(
  files: readonly string[],
  { concurrency, processes, isBundled }: Kind,
): Promise<void> {
  const bundle = isBundled ? await bundleOrSay(files) : undefined;
  const sources = files.map((file) => bundle?.files.get(resolve(file)) ?? resolve(file));
  const entries = processes === undefined ? sources : entriesOf(files, processes);
  // What `run` starts has the options of this process.
  if (bundle !== undefined) process.execArgv.splice(0, Number.POSITIVE_INFINITY, '--enable-source-maps');
  const stop = new AbortController();
  const secondsOf = new Map<string, number>();
  const count = (ended: Ended) => {
    if (ended.file === undefined || ended.nesting > 0) return;
    const file = bundle?.sourceOf(ended) ?? ended.file;
    secondsOf.set(file, (secondsOf.get(file) ?? 0) + ended.details.duration_ms / 1_000);
  };
  // The processes end with the run, and the folder of their entry files goes.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  run({ files: entries, concurrency, signal: stop.signal, timeout: FILE_DEADLINE_MS })
    .on('test:pass', count)
    .on('test:fail', (failed) => {
      process.exitCode = 1;
      count(failed);
    })
    .once('end', () => {
      process.stderr.write(slowest(secondsOf));
      bundle?.remove();
    })
    .compose(process.stdout.isTTY ? new spec() : tap)
    .pipe(process.stdout);
}

/** @returns undefined where one of them cannot be bundled: each fails or passes by itself then */
async function bundleOrSay(files: readonly string[]): Promise<Bundle | undefined> {
  try {
    return await bundleTests(files);
  } catch (error) {
    process.stderr.write(`# not bundled: ${(error as Error).message}\n`);
    return undefined;
  }
}

/** Where the time of a run went: its tests', without what their hooks took. */
function slowest(secondsOf: ReadonlyMap<string, number>): string {
  const files = [...secondsOf].sort(([, a], [, b]) => b - a).slice(0, 12);
  return files.map(([file, seconds]) => `# ${seconds.toFixed(0)} s ${relative('.', file)}\n`).join('');
}

function refuse(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

const [name = '', ...words] = process.argv.slice(2);
const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
const files = kind === undefined ? [] : filesOf(kind);
const chosen = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
const vain = words.filter((word) => !files.some((file) => file.includes(word)));
if (kind === undefined) refuse(`"${name}" is no kind of tests: say one of ${Object.keys(KINDS).join(', ')}`);
else if (files.length === 0)
  refuse(`${kind.folders.join(' and ')} hold no test: is this the root of a checkout?`);
else if (vain.length > 0) refuse(`no ${name} test has ${vain.join(' or ')} in its path`);
else await runFiles(chosen, kind);
