// The released issuer reads what a new agent reports: new members, and no new word in the closed set of states.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { releasedProgram } from '../../support/released/released.ts';
import { tempDir } from '../../support/temp-dir.ts';

const golden = (name: string) => readFileSync(`test/unit/lambda/contract/golden/${name}.json`, 'utf8');

test('the status of a new agent is read by the released issuer, state by state', async (t) => {
  const dir = tempDir(t);
  const put = (key: string, text: string) => {
    mkdirSync(join(dir, 'bucket', dirname(key)), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'bucket', key), text, { mode: 0o600 });
  };
  put('published/edge/manifest.json', golden('manifest-alongside-v1'));
  const status = JSON.parse(golden('host-status-contract-2-v1'));
  put(
    'status/edge/lb1.example.com.json',
    JSON.stringify({ ...status, reportedAt: new Date().toISOString() }),
  );
  const certificates = [{ identifiers: ['api.example.com'], fleets: ['edge'] }];
  const acme = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
  const file = join(dir, 'pemfleet.yaml');
  writeFileSync(file, JSON.stringify({ bucket: `file://${dir}/bucket`, acme, certificates }));

  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    const args = [releasedProgram('cli'), 'status', '--json', '--config', file];
    execFile(process.execPath, args, (_, stdout, stderr) => resolve({ stdout, stderr }));
  });

  const [report] = JSON.parse(stdout || `"${stderr}"`).fleets;
  assert.deepEqual([report.unreadable, report.silent, report.error], [[], [], undefined]);
  const [api, www] = report.certificates;
  assert.deepEqual(api.served, ['lb1.example.com']);
  assert.deepEqual(
    www.behind.map(({ host, state }: Record<string, string>) => `${host} ${state}`),
    ['lb1.example.com failed'],
  );
});
