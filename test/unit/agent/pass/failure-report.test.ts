/** What a pass that could not be made says of the host: what was known before, and what keeps it from its work. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readOwnStatus, reportFailure } from '../../../../agent/pass/report.ts';
import { saveStatus } from '../../../../agent/state/status.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('a pass that fails goes on telling which published PEMs this host refuses', async (t) => {
  const dir = tempDir(t);
  const stateDir = join(dir, 'state');
  mkdirSync(stateDir, { mode: 0o700 });
  const flags = ['--bucket', pathToFileURL(dir).href, '--fleet', 'edge', '--state-dir', stateDir];
  const agent = await agentHere(flags, () => undefined);
  await reportFailure(agent, new Error('first'));
  const before = (await readOwnStatus(agent)) ?? assert.fail();
  const endedEntries = [{ certificate: 'a.test', sha256: 'a'.repeat(64) }] as typeof before.endedEntries;
  await saveStatus(stateDir, { ...before, ...(endedEntries && { endedEntries }) });

  await reportFailure(agent, new Error('second'));

  const { error, endedEntries: told } = (await readOwnStatus(agent)) ?? assert.fail();
  assert.match(error?.message ?? '', /second/);
  assert.deepEqual(told, endedEntries);
});
