// The table of mutants fits the source: what no longer applies would break nothing, and prove nothing.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { misfitOf, tenthOf } from '../../mutants/mutant.ts';
import { MUTANTS } from '../../mutants/mutants.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

test('each mutant changes a text that stands once in its file; its test is there; no rule stands twice', () => {
  const misfits = MUTANTS.flatMap((mutant) => {
    const [file, path] = [join(root, mutant.file), join(root, mutant.test)];
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return [misfitOf(mutant, text) ?? [], existsSync(path) ? [] : `${mutant.test} is not there`].flat();
  });

  assert.deepEqual(misfits, [], 'a changed line changes in test/mutants/, too');
  assert.equal(new Set(MUTANTS.map(({ rule }) => rule)).size, MUTANTS.length);
  assert.ok(MUTANTS.length >= 40);
});

test('a text that stands nowhere, or twice, is no mutant', () => {
  const [mutant] = MUTANTS;
  assert.ok(mutant);

  const misfits = ['', `${mutant.before}\n${mutant.before}`].map((text) => misfitOf(mutant, text));

  assert.deepEqual(
    misfits.map((text) => /saw \d times/.exec(text ?? '')?.[0]),
    ['saw 0 times', 'saw 2 times'],
  );
  assert.match(misfitOf({ ...mutant, after: mutant.before }, mutant.before) ?? '', /saw 1 times/);
});

test('ten turns have each mutant once', () => {
  const turns = Array.from({ length: 10 }, (_, number) => tenthOf(MUTANTS, 20_000 + number));

  assert.deepEqual(
    turns.flat().sort((a, b) => MUTANTS.indexOf(a) - MUTANTS.indexOf(b)),
    MUTANTS,
  );
});
