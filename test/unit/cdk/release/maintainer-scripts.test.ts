/** What a package does when it goes, run by sh with a systemctl that writes down what it is asked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { maintainerScripts } from '../../../../cdk/release/packages/maintainer-scripts.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const UNITS = ['pemfleet.target', 'pemfleet.service', 'pemfleet.timer'];
const AGENT = 'pemfleet-agent.service';

test('the issuer goes from a machine whose agent runs: the agent starts again, now and at each boot', (t) => {
  const { calls, stderr } = remove(t, { agent: 'active', target: 'enabled' });

  assert.deepEqual(calls, [
    `disable --now ${UNITS.join(' ')}`,
    `enable ${AGENT}`,
    `start --no-block ${AGENT}`,
  ]);
  assert.match(stderr, /pemfleet-agent\.service stays, and no longer needs pemfleet\.target/);
});

test('the issuer goes: an agent that the target alone would start at the next boot is started by it still', (t) => {
  const { calls } = remove(t, { agent: 'failed', target: 'enabled' });

  assert.deepEqual(calls.slice(1), [`enable ${AGENT}`]);
});

test('the issuer goes: an agent that nobody has started stays so, and where there is none, none is named', (t) => {
  for (const state of [
    { agent: 'inactive', target: 'disabled' },
    { agent: undefined, target: 'enabled' },
  ]) {
    const { calls, stderr } = remove(t, state);

    assert.deepEqual([calls.length, stderr], [1, '']);
  }
});

interface Before {
  /** As `systemctl is-active` says; undefined: it is not installed. */
  agent: string | undefined;
  target: string;
}

function remove(t: TestContext, { agent, target }: Before) {
  const directory = tempDir(t);
  const at = (path: string) => join(directory, path);
  for (const folder of ['bin', 'booted', 'etc']) mkdirSync(at(folder));
  writeFileSync(at('etc/agent.yaml'), '');
  const systemctl = `#!/bin/sh
case "$*" in
    'cat ${AGENT}') ${agent === undefined ? 'exit 1' : ':'} ;;
    is-active*) echo ${agent}; [ ${agent} = active ] ;;
    '--quiet is-enabled pemfleet.target') [ ${target} = enabled ] ;;
    is-enabled*) echo enabled ;;
    *) echo "$*" >&3 ;;
esac
`;
  writeFileSync(at('bin/systemctl'), systemctl, { mode: 0o755 });
  const files = UNITS.map((unit) => ({
    ...{ path: `usr/lib/systemd/system/${unit}`, mode: 0o644, content: '' },
  }));
  const script = maintainerScripts('pemfleet', files)
    .removing.replaceAll('/run/systemd/system', at('booted'))
    .replaceAll('/etc/pemfleet', at('etc'));
  const { status, stderr, output } = spawnSync('sh', ['-ec', script], {
    env: { PATH: `${at('bin')}:${process.env['PATH']}` },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  assert.equal(status, 0, stderr);
  return { calls: (output[3] ?? '').trim().split('\n'), stderr };
}
