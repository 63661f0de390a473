// doctor finds what is wrong, says how to mend it, and changes nothing.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AgentConfig } from '../../../../agent/config/config.ts';
import { diagnose } from '../../../../agent/doctor/doctor.ts';
import type { Finding } from '../../../../agent/doctor/finding.ts';
import { openSocket } from '../../../../agent/haproxy/socket.ts';
import { programPath } from '../../../setup.mjs';
import { assertOk, traces } from '../../../support/agent/assess.ts';
import { strayRows } from '../../../support/agent/doctor-directory-rows.ts';
import { healthyHost, type Planted } from '../../../support/agent/doctor-plants.ts';
import { doctorRows } from '../../../support/agent/doctor-rows.ts';
import { agentHere, agentProgram } from '../../../support/agent/program.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { asRoot, NOBODY } from '../../../support/as-root.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** The shipped configuration with two more sockets of lower levels. */
function withLowerSockets(): string {
  const file = fileURLToPath(new URL('../../../../agent/host/haproxy.cfg', import.meta.url));
  const lower = ['operator', 'user'].map(
    (level) => `    stats socket "\${PEMFLEET_SOCKET}.${level}" mode 600 level ${level}\n`,
  );
  return readFileSync(file, 'utf8')
    .replace(/^ {4}stats socket/m, (line) => lower.join('') + line)
    .replace('mode 660', 'mode 600');
}

async function healthy(t: TestContext, version: HaproxyVersion): Promise<Stage> {
  const stage = await makeStage(t, { version, configText: withLowerSockets() });
  await stage.publish('shop', { names: ['shop.test', '*.shop.test'] });
  assertOk(await stage.pass());
  // as a killed HAProxy leaves it
  const dying = createServer().listen(join(stage.dir, 'dying.sock'));
  await once(dying, 'listening');
  renameSync(join(stage.dir, 'dying.sock'), join(stage.dir, 'dead.sock'));
  dying.close();
  return stage;
}

async function examine(stage: Stage, planted: Planted = {}): Promise<Finding[]> {
  const now = () => planted.now ?? new Date();
  const agent = await agentHere([...stage.flags, ...(planted.args ?? [])], () => undefined, { now });
  const socketOf = ({ haproxy }: AgentConfig) => openSocket({ path: haproxy.statsSocket, timeoutMs: 8000 });
  const { haproxyConfig, runCommand = healthyHost } = planted;
  return diagnose({ agent, socketOf, runCommand, uid: process.getuid?.() ?? 0, haproxyConfig });
}

for (const version of testedVersions()) {
  test(`doctor: each planted fault is found with its fix, HAProxy ${version}`, async (t) => {
    const stage = await healthy(t, version);
    assert.deepEqual(await examine(stage), [], 'nothing planted');

    for (const row of doctorRows) {
      await t.test(`${row.says}: ${row.finds}`, async () => {
        const planted = await row.plant(stage);
        const before = traces(stage.dir);

        const findings = await examine(stage, planted ?? {});

        const found = findings.find(({ id }) => id === row.finds);
        assert.match(found?.fix ?? '', row.fix, JSON.stringify(findings, null, 1));
        assert.deepEqual(traces(stage.dir), before, 'doctor changed something');
        await planted?.mend?.();
        assert.deepEqual(await examine(stage), [], 'mended');
      });
    }
  });

  test(`doctor knows what would stop HAProxy ${version} from starting, as "haproxy -c" does`, async (t) => {
    const stage = await healthy(t, version);
    const file = join(stage.dir, 'check.cfg');
    writeFileSync(
      file,
      `frontend f\n mode http\n timeout client 1s\n bind 127.0.0.1:${stage.haproxy.httpsPort} ssl crt ${stage.haproxy.certsDir} strict-sni\n`,
    );
    const starts = () =>
      new Promise<boolean>((resolve) =>
        execFile(programPath(`haproxy-${version}`), ['-c', '-f', file], (error) => resolve(error === null)),
      );
    assert.ok(await starts());

    for (const row of strayRows) {
      const planted = await row.plant(stage, row.name);

      const findings = await examine(stage);

      assert.equal(await starts(), false, `${row.name} does not stop HAProxy`);
      const strays = findings.filter(({ id }) => id === 'file-stray');
      assert.equal(strays.length, 1, row.name);
      assert.ok(strays[0]?.seen.startsWith(`${row.name} `) && strays[0].fix.includes(row.name));
      await planted.mend?.();
    }
    assert.ok(await starts());
  });
}

/** Runs the agent as an unprivileged user, because root may do everything. */
function asNobody(stage: Stage, args: string[]): Promise<{ code: number; stdout: string }> {
  const program = agentProgram();
  for (const folder of [dirname(program), stage.dir, dirname(stage.haproxy.socket)]) chmodSync(folder, 0o755);
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  // It is the agent's user, so that what it lacks is a fault of the host.
  if (identity.uid !== undefined) asRoot('install', '-d', '-m', '0', '-o', `${NOBODY}`, stage.stateDir);
  if (identity.uid === undefined) {
    for (const path of [stage.haproxy.socket, stage.haproxy.certsDir, stage.stateDir, stage.bucketDir]) {
      chmodSync(path, 0);
    }
  }
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, ...args],
      { ...identity, env: { PATH: process.env['PATH'] ?? '' } },
      (error, stdout) => resolve({ code: Number(error?.code ?? 0), stdout }),
    );
  });
}

test('doctor, the program: a finding for each right that the user lacks', async (t) => {
  const stage = await healthy(t, '3.2');

  const { code, stdout } = await asNobody(stage, ['doctor', '--json', ...stage.flags]);

  const document = JSON.parse(stdout) as { version: number; errors: number; findings: Finding[] };
  const ids = document.findings.filter(({ severity }) => severity === 'error').map(({ id }) => id);
  assert.equal(code, 1);
  assert.deepEqual(ids.sort(), ['bucket-denied', 'directory-denied', 'socket-denied', 'state-not-writable']);
  assert.equal(document.errors, 4);
  const fix = document.findings.find(({ id }) => id === 'socket-denied')?.fix ?? '';
  assert.match(fix, /group haproxy level admin.*usermod -aG haproxy pemfleet/);
});

test('doctor, the program: exit status and text', async (t) => {
  const stage = await healthy(t, '3.0');
  const doctor = (args: string[]) => stage.agent('doctor', { args });
  const clean = await doctor([]);
  assert.deepEqual([clean.code, clean.stdout], [0, 'no problems found\n']);

  const refused = await doctor(['--poll-interval', 'often']);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /^error {4}config-refused: --poll-interval: .*\n {9}→ /);

  writeFileSync(
    join(stage.haproxy.certsDir, 'b.pem~'),
    (await stage.pki.issue({ names: ['b.test'] })).combined,
    { mode: 0o600 },
  );
  const warned = await doctor([]);
  assert.equal(warned.code, 3, warned.stdout);
});
