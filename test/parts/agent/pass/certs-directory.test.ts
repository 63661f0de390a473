// The certificates' directory is full, read-only or somebody else's: what is served stays, and the host says what to do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { makeMountNamespace } from '../../../support/agent/mount-namespace.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';

test('full, then read-only: the former file stays, nothing is left behind, the message says how much room there is', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const { certsDir } = stage.haproxy;
  const { through, run } = await makeMountNamespace(t);
  const inside = `/proc/${through[2]}/root${certsDir}`;
  run(`mount -t tmpfs -o size=64k tmpfs ${certsDir}`);
  const before = await stage.publish('shop', { names: ['shop.test'] });
  assertOk(await stage.agent('sync', { through }));
  run(`head -c 65536 /dev/zero >${certsDir}/.other || true`);
  await stage.publish('shop', { names: ['shop.test'] });

  const full = await stage.agent('sync', { through });

  assert.equal(full.code, 3, full.stderr);
  assert.match(
    full.stderr,
    /code=ERR_INSTALL message=.*ENOSPC: 0 of 65536 bytes are free .*, \d{4} bytes are needed: make room, df /,
  );
  assert.equal(readFileSync(`${inside}/shop.pem`, 'utf8'), before);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(before));
  run(`! ls -A ${certsDir} | grep pemfleet-tmp`);

  run(`rm ${certsDir}/.other; mount -o remount,ro ${certsDir}`);
  const readOnly = await stage.agent('sync', { through });
  assert.equal(readOnly.code, 1, readOnly.stderr);
  assert.match((await stage.status()).error?.message ?? '', /EROFS: \S+ is read-only: .*ReadWritePaths=/);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(before));

  run(`mount -o remount,rw ${certsDir}`);
  assertOk(await stage.agent('sync', { through }));
});
