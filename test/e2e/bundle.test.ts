/** What the bundles weigh and what is in them, by esbuild's metafile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Metafile {
  outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
}

/** Minified bytes by npm package; our own sources are `own`. */
function weigh(program: string): Map<string, number> {
  const file = new URL(`../../dist/${program}/meta.json`, import.meta.url);
  const [output] = Object.values((JSON.parse(readFileSync(file, 'utf8')) as Metafile).outputs);
  const weights = new Map<string, number>();
  for (const [path, { bytesInOutput }] of Object.entries(output?.inputs ?? {})) {
    const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'own';
    weights.set(name, (weights.get(name) ?? 0) + bytesInOutput);
  }
  return weights;
}

const isAws = (name: string) => /^@(aws-sdk|aws-crypto|aws|smithy)\//.test(name);
const sum = (weights: Map<string, number>) =>
  [...weights.values()].reduce((total, bytes) => total + bytes, 0);

test('the issuer without its AWS clients weighs at most 900 kB', () => {
  const own = new Map([...weigh('issuer')].filter(([name]) => !isAws(name)));

  assert.ok(sum(own) > 100_000, 'the metafile was read');
  assert.ok(sum(own) <= 900_000, `${sum(own)} bytes: ${JSON.stringify([...own])}`);
});

for (const program of ['issuer', 'cli']) {
  test(`${program}: no axios, nor what it brings; node-forge for PKCS#12 in the command line only`, () => {
    const packages = [...weigh(program).keys()];

    assert.ok(packages.includes('acme-client'));
    const unwanted = packages.filter((name) =>
      /^(axios|node-forge|form-data|mime-db|debug|tsyringe|@peculiar\/x509)$/.test(name),
    );
    assert.deepEqual(unwanted, program === 'cli' ? ['node-forge'] : []);
  });
}

test('the commands that people send to the function are a bundle of their own, without what only a machine needs', () => {
  const weights = weigh('issuer-commands');

  assert.ok((weights.get('own') ?? 0) > 100_000, 'the metafile was read');
  assert.equal(weights.get('yaml'), undefined);
  assert.ok(
    !readFileSync(new URL('../../dist/issuer/index.mjs', import.meta.url), 'utf8').includes('rollback wants'),
  );
});
