/** What a release is made with is held to its pinned digest in each build. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { PINNED, RUNTIMES, unpackPinned } from '../../../../cdk/release/runtime.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

test('each pinned package has a version and a SHA-512, and each runtime is pinned', () => {
  for (const [name, integrity] of Object.entries(PINNED)) {
    assert.match(name, /^[\w-]+@\d+\.\d+\.\d+/);
    assert.equal(Buffer.from(integrity.replace('sha512-', ''), 'base64').length, 64);
  }
  for (const name of Object.values(RUNTIMES)) assert.ok(name in PINNED);
});

test('a cached tarball with other bytes is fetched again, and other bytes of the registry are refused and not kept', async (t) => {
  const place = makeTempDir();
  t.after(() => place.remove());
  const { path } = place;
  const name = 'postject@1.0.0-alpha.6';
  const cached = join(path, 'cache', name, 'package.tgz');
  mkdirSync(join(path, 'cache', name), { recursive: true });
  mkdirSync(join(path, 'bin'));
  writeFileSync(cached, 'tampered with');
  // A registry that answers with something else: npm pack prints the name of the file that it leaves.
  const npm = '#!/bin/sh\necho "$@" > "$0.called"\nwhile [ "$1" != --pack-destination ]; do shift; done\n';
  writeFileSync(join(path, 'bin/npm'), `${npm}echo other > "$2/x.tgz"\necho x.tgz\n`, { mode: 0o755 });
  const before = process.env['PATH'];
  process.env['PATH'] = `${join(path, 'bin')}${delimiter}${before}`;
  t.after(() => {
    process.env['PATH'] = before;
  });

  await assert.rejects(
    unpackPinned(name, join(path, 'cache'), join(path, 'work')),
    /postject@1\.0\.0-alpha\.6: wanted the pinned bytes, sha512-b9Eb8h2e.*, saw sha512-.*: do not build from this registry/,
  );
  assert.match(readFileSync(join(path, 'bin/npm.called'), 'utf8'), /^pack .*postject@1\.0\.0-alpha\.6\n$/);
  assert.deepEqual(
    [existsSync(join(path, 'cache', name, 'x.tgz')), existsSync(join(path, 'work'))],
    [false, false],
  );
});
