import assert from 'node:assert/strict';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AgentConfig } from '../../../../agent/config/config.ts';
import { sweepTemps, writtenDirectories } from '../../../../agent/deploy/install.ts';
import { replaceFile } from '../../../../lambda/storage/atomic-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const aMinuteAgo = () => new Date(Date.now() - 60_000);

test('what another run writes just now without the lock is not swept from under it', async (t) => {
  const directory = tempDir(t);
  const path = join(directory, 'proofs.json');

  await replaceFile(path, '{}', {
    mode: 0o600,
    beforeRename: async () => assert.equal(await sweepTemps([directory], aMinuteAgo()), 0),
  });

  assert.equal(existsSync(path), true);
});

test('what a killed run has left is swept, under the lock at once, elsewhere after a minute', async (t) => {
  const directory = tempDir(t);
  const temp = join(directory, '.proofs.json.0123456789ab.pemfleet-tmp');
  writeFileSync(temp, 'x');
  assert.equal(await sweepTemps([directory]), 1);

  writeFileSync(temp, 'x');
  const before = new Date(Date.now() - 61_000);
  utimesSync(temp, before, before);
  assert.equal(await sweepTemps([directory], aMinuteAgo()), 1);
  assert.deepEqual(readdirSync(directory), []);
});

test('proofs and status are written without the lock, PEMs and the crt-list file under it', () => {
  const haproxy = { certsDir: '/certs', crtListFile: '/etc/haproxy/list' };
  const { locked, unlocked } = writtenDirectories({ haproxy, stateDir: '/state' } as AgentConfig);

  assert.deepEqual(locked, ['/certs', '/etc/haproxy']);
  assert.equal(unlocked[0], '/state');
});
