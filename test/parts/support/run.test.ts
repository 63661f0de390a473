import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempDir } from '../../support/temp-dir.ts';

const runner = fileURLToPath(new URL('../../run.ts', import.meta.url));
const passes = (name: string) => `import { test } from 'node:test';\ntest('${name}', () => {});\n`;

/** Runs a house of these pure test files, `unit WORD…`; two processes share them. */
function runTests(t: TestContext, files: Record<string, string>, ...args: string[]) {
  const house = tempDir(t);
  mkdirSync(join(house, 'test/unit'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(house, `test/unit/${name}.test.ts`), text);
  }
  // the runner of this test's own process would take another's results for its own
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), runner, ...args],
    { cwd: house, env, encoding: 'utf8' },
  );
  const results = stdout.split('\n').filter((line) => /^(not )?ok /.test(line));
  return { status, stderr, results: results.map((line) => line.replace(/ \d+ -/, '')).sort() };
}

test('files that all pass are a success', (t) => {
  const { status, results } = runTests(t, { a: passes('a'), b: passes('b'), c: passes('c') }, 'unit');

  assert.deepEqual({ status, results }, { status: 0, results: ['ok a', 'ok b', 'ok c'] });
});

test('a failed test and a file that cannot be imported fail the run, and keep no other file from running', (t) => {
  const files = {
    a: 'throw new Error("x");',
    b: 'import "./nowhere.ts";',
    c: 'const noTypeScript: = 1;',
    d: `${passes('d')}test('bad', () => { throw new Error('x'); });`,
    e: passes('e'),
    f: passes('f'),
  };

  const { status, results } = runTests(t, files, 'unit');

  const imports = ['a', 'b', 'c'].map((name) => `not ok import of test/unit/${name}.test.ts`);
  assert.deepEqual(
    { status, results },
    { status: 1, results: ['not ok bad', ...imports, 'ok d', 'ok e', 'ok f'] },
  );
});

test('a test that ends its process fails the run, whatever its exit code', (t) => {
  const ends = `${passes('a')}test('ends', () => process.exit(0));`;

  const { status, results } = runTests(t, { a: ends, b: passes('b'), c: passes('c') }, 'unit');

  assert.equal(status, 1);
  assert.match(results.join('\n'), /^not ok .*share-1\.mjs$/m);
  assert.ok(results.includes('ok b'), `${results}`);
});

test('words choose files by their path', (t) => {
  const { status, results } = runTests(t, { a: passes('a'), b: 'throw new Error("x");' }, 'unit', 'unit/a');

  assert.deepEqual({ status, results }, { status: 0, results: ['ok a'] });
});

const nothing = [
  ['an unknown kind', ['nunit'], /"nunit" is no kind of tests: say one of unit, parts,/],
  ['a name of every object', ['constructor'], /"constructor" is no kind of tests/],
  ['words that no path has', ['unit', 'x', 'y'], /no unit test has x or y in its path/],
  ['one such word beside another', ['unit', 'unit/a', 'y'], /no unit test has y in its path/],
  ['a folder that is no checkout', ['cdk'], /test\/cdk hold no test: is this the root of a checkout\?/],
] as const;
for (const [name, args, message] of nothing) {
  test(`${name}: exit code 2, and a word of what is wrong`, (t) => {
    const { status, stderr, results } = runTests(t, { a: passes('a') }, ...args);

    assert.deepEqual({ status, results }, { status: 2, results: [] });
    assert.match(stderr, message);
  });
}
