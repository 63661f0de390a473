// A directory that is read-only within the unit, and what else a drop-in or systemctl mends.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyMends } from '#common/doctor/mend.ts';
import { runHostCommand } from '#common/systemd/host-command.ts';
import { parseProperties } from '#common/systemd/unit-view.ts';
import { loadAgentConfig } from '../../../../agent/config/config.ts';
import { mendUnit } from '../../../../agent/doctor/mend/unit.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const SHIPPED = [
  ...['LoadState=loaded', 'UnitFileState=enabled', 'ActiveState=active', 'LimitCORE=0'],
  ...['ProtectSystem=strict', 'ProtectHome=yes', 'PrivateTmp=yes', 'StateDirectory=pemfleet pemfleet-agent'],
  'ReadWritePaths=/etc/haproxy/certs -/var/lib/node_exporter -/var/lib/prometheus/node-exporter',
].join('\n');

const configWith = (certsDir: string) =>
  loadAgentConfig({
    flags: {
      config: '/dev/null',
      bucket: 'file:///var/lib/pemfleet/bucket',
      fleet: 'edge',
      'certs-dir': certsDir,
    },
    env: {},
    hostname: 'lb1',
  });

test('the migration page names a directory of its own: found, and mended by a drop-in and a restart', async (t) => {
  const root = tempDir(t);
  const config = await configWith('/etc/haproxy/pemfleet');

  const mends = mendUnit(parseProperties(SHIPPED), config);
  const commands: string[] = [];
  const runCommand = async (program: string, args: readonly string[]) => {
    commands.push([program, ...args].join(' '));
    return { isInstalled: true, stdout: '' };
  };
  const said: string[] = [];
  await applyMends(mends, { isDryRun: true, say: (line) => said.push(line), runCommand, root });
  assert.deepEqual(commands, []);
  assert.ok(said.length > 0 && said.every((line) => line.startsWith('would mend: ')), said.join(''));

  await applyMends(mends, { isDryRun: false, say: (line) => said.push(line), runCommand, root });

  assert.deepEqual(
    mends.map(({ id }) => id),
    ['unit-read-only'],
  );
  assert.match(
    mends[0]?.finding?.seen ?? '',
    /may not write to \/etc\/haproxy\/pemfleet \(ProtectSystem=strict\)/,
  );
  const dropIn = readFileSync(
    join(root, 'etc/systemd/system/pemfleet-agent.service.d/pemfleet-paths.conf'),
    'utf8',
  );
  assert.match(dropIn, /^ReadWritePaths=-?\/etc\/haproxy\/pemfleet$/m);
  assert.deepEqual(commands, ['systemctl daemon-reload', 'systemctl try-restart pemfleet-agent.service']);
  const opened = parseProperties(`${SHIPPED} -/etc/haproxy/pemfleet`);
  assert.deepEqual(mendUnit(opened, config), []);
});

const ROWS: readonly [says: string, changed: Record<string, string>, ids: string[], commands: string[]][] = [
  ['nothing is wrong', {}, [], []],
  [
    'core dumps',
    { LimitCORE: 'infinity' },
    ['unit-core-dumps'],
    ['systemctl try-restart pemfleet-agent.service'],
  ],
  [
    'not enabled',
    { UnitFileState: 'disabled', ActiveState: 'inactive' },
    ['unit-disabled'],
    ['systemctl enable --now pemfleet-agent.service'],
  ],
  ['failed', { ActiveState: 'failed' }, ['unit-failed'], ['systemctl restart pemfleet-agent.service']],
  [
    'not enabled by itself, but wanted by pemfleet.target',
    { UnitFileState: 'disabled', WantedBy: 'pemfleet.target' },
    [],
    [],
  ],
  ['masked: somebody wants it so', { UnitFileState: 'masked', ActiveState: 'inactive' }, [], []],
  ['not installed', { LoadState: 'not-found' }, [], []],
];

for (const [says, changed, ids, commands] of ROWS) {
  test(`unit: ${says}`, async () => {
    const mends = mendUnit(
      { ...parseProperties(SHIPPED), ...changed },
      await configWith('/etc/haproxy/certs'),
    );

    assert.deepEqual(
      mends.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(
      mends.flatMap((mend) => (mend.commands ?? []).map((words) => words.join(' '))),
      commands,
    );
  });
}

test('a command that fails has mended nothing, and its own words say why', async (t) => {
  const said: string[] = [];
  const commands = [['sh', '-c', 'echo Unit is masked. >&2; exit 5'], ['true']];

  const changes = await applyMends([{ id: 'unit-failed', commands }], {
    isDryRun: false,
    say: (line) => said.push(line),
    runCommand: runHostCommand,
    root: tempDir(t),
  });

  assert.equal(changes, 1);
  assert.match(said[0] ?? '', /^not mended: sh -c .*: exit status 5: Unit is masked\.\n$/);
  assert.equal(said[1], 'mended: true\n');
});

test('a command that takes too long goes on, and is not called done', async () => {
  const { failure } = await runHostCommand('sleep', ['5'], 50);

  assert.equal(failure, 'has not ended within 0.05 s, and goes on');
});
