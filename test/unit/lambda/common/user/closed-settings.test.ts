import assert from 'node:assert/strict';
import { chmodSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closedSettings } from '../../../../../lambda/common/user/closed-settings.ts';
import { applyRepair } from '../../../../../lambda/common/user/repair.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const user = { uid: 65_533, gid: 65_533, name: 'pemfleet-of-test' };

test("settings that are root's alone are found for the user of the unit, and --fix lets everybody read them", async (t) => {
  const dir = tempDir(t);
  chmodSync(dir, 0o755);
  const [file, link] = [join(dir, 'agent.yaml'), join(dir, 'link.yaml')];
  writeFileSync(file, 'bucket: s3://b\n');
  symlinkSync(file, link);
  const look = (path = file) => closedSettings(path, user, 'pemfleet-agent doctor');

  chmodSync(file, 0o600);
  const closed = await look();
  const behindLink = await look(link);
  for (const repair of closed?.repairs ?? []) await applyRepair(repair);

  assert.match(
    closed?.seen ?? '',
    /pemfleet-of-test, as whom the unit runs, cannot read .*agent\.yaml.* mode 0600/,
  );
  assert.match(closed?.fix ?? '', /pemfleet-agent doctor --fix, or chmod 0644/);
  assert.deepEqual(behindLink?.repairs, closed?.repairs);
  assert.equal(statSync(file).mode & 0o7777, 0o644);
  assert.equal(await look(), undefined);
});

test('a shut directory of the settings is found, and opened by nobody but its owner', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'pemfleet.yaml');
  writeFileSync(file, '');
  chmodSync(dir, 0o700);

  const closed = await closedSettings(file, user, 'pemfleet doctor');

  assert.deepEqual([closed?.fix, closed?.repairs], [`chmod a+x ${dir}`, []]);
  assert.equal(await closedSettings(file, { uid: 0, gid: 0 }, 'pemfleet doctor'), undefined);
  assert.equal(await closedSettings(join(dir, 'absent.yaml'), user, 'pemfleet doctor'), undefined);
});
