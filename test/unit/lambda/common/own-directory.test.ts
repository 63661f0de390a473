// Where `doctor --fix` changes nothing, whatever the settings say.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedWith } from '#common/user/own-directory.ts';
import { isBucketName } from '../../../../lambda/commands/line/bucket-names.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const SYSTEM = ['/', '/var', '/var/lib', '/srv', '/etc', '/etc/haproxy', '/home/alice', '/usr/local/lib'];
for (const path of [
  ...SYSTEM,
  '/root',
  '/opt',
  '/mnt',
  '/run',
  '/dev/shm',
  '/tmp',
  '/var/log',
  '/usr/share',
]) {
  test(`${path} is a directory of the system`, async () => {
    assert.match((await sharedWith(path, () => true)) ?? '', /is a directory of the system$/);
  });
}

for (const path of ['/var/lib/pemfleet-none', '/srv/pemfleet', '/var/pemfleet', '/opt/pemfleet/bucket']) {
  test(`${path} may be pemfleet's own`, async () => {
    assert.equal(await sharedWith(path, isBucketName), undefined);
  });
}

test("a bucket's own names, its locks, what is being written, and lost+found", async (t) => {
  const dir = tempDir(t);
  const own = ['issuer', 'published', 'status', 'challenge', 'agent', '.tmp', '.lock', '.lock-pass'];
  for (const name of [...own, 'lost+found']) mkdirSync(join(dir, name));
  assert.equal(await sharedWith(dir, isBucketName), undefined);

  writeFileSync(join(dir, 'README'), '');

  assert.equal(await sharedWith(dir, isBucketName), `${dir} holds README, which is not pemfleet's`);
});
