/** What an app that installed the package hands to its hosts: the agent of that release, or nothing. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { agentTarballs, copyRelease } from '../../../../cdk/fleet/agent-release.ts';
import packageJson from '../../../../package.json' with { type: 'json' };
import { tempDir } from '../../../support/temp-dir.ts';

const NAMES = ['x64', 'arm64'].map((arch) => `pemfleet-agent-${packageJson.version}-linux-${arch}.tar.gz`);
const sumsOf = (content: string) =>
  NAMES.map((name) => `${createHash('sha256').update(content).digest('hex')}  ${name}\n`).join('');

function write(folder: string, name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

/** A package that was published with tarballs of this content, and a folder with others. */
function consumer(t: TestContext, published: string, downloaded: string) {
  const [root, folder] = [tempDir(t), tempDir(t)];
  write(root, 'dist/release/SHA256SUMS', sumsOf(published));
  for (const name of NAMES) write(folder, name, downloaded);
  return { root, folder };
}

test('an installed package holds the folder to the digests that it was published with, whatever SHA256SUMS lies there', (t) => {
  const { root, folder } = consumer(t, 'the agent', 'another agent');
  write(folder, 'SHA256SUMS', sumsOf('another agent'));

  assert.throws(
    () => agentTarballs(folder, root),
    /-x64\.tar\.gz has the SHA-256 \w{64}, not \w{64}: the agent wanted is that of the release this package was published with: .*dist\/release\/SHA256SUMS$/,
  );
});

test('an installed package takes the two tarballs alone, and what is deployed has its digests', (t) => {
  const { root, folder } = consumer(t, 'the agent', 'the agent');
  const asset = tempDir(t);

  copyRelease(agentTarballs(folder, root), asset);

  assert.equal(readFileSync(join(asset, 'SHA256SUMS'), 'utf8'), sumsOf('the agent'));
  for (const name of NAMES) assert.equal(readFileSync(join(asset, name), 'utf8'), 'the agent');
});

test('an installed package without a folder says what is missing', (t) => {
  const { root } = consumer(t, 'the agent', 'the agent');

  assert.throws(
    () => agentTarballs(undefined, root),
    /-x64\.tar\.gz is missing: hosts need the agent's tarballs\. Set agentRelease to the folder/,
  );
});

test('a checkout, which makes releases of its own, takes the folder by its SHA256SUMS', (t) => {
  const { root, folder } = consumer(t, 'what npm run build:agent made here', 'the agent');
  write(folder, 'SHA256SUMS', sumsOf('the agent'));
  write(root, 'package-lock.json', '{}\n');

  assert.deepEqual(agentTarballs(folder, root).files, NAMES);
});
