// Whatever comes in: a coded error in status and log, the last good certificate still served, and no secret told.
// On HAProxy 2.6 and 3.0: long/bad-input.test.ts.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNoSecretWasSaid, everyRow } from '../../../support/agent/bad-input.ts';
import { makeStage } from '../../../support/agent/stage.ts';

test('bad input, HAProxy 3.2', (t) => everyRow(t, '3.2'));
test('none of this says a word of a private key', assertNoSecretWasSaid);

test('a key in an answer, a configuration or a manifest is not quoted either', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const { keyPem } = await stage.pki.issue({ names: ['x.test'] });
  const slice = keyPem.split('\n')[1] as string;
  const config = join(stage.dir, 'agent.yaml');
  const outputs: string[] = [];

  writeFileSync(config, `bucket: |\n  ${keyPem.replaceAll('\n', '\n  ')}\nfleet: {`);
  outputs.push(...Object.values(await stage.agent('sync', { args: ['--config', config] })).map(String));
  await stage.putManifest(keyPem);
  outputs.push(...Object.values(await stage.pass()).map(String));
  await stage.putManifest(
    JSON.stringify({ version: 1, fleet: keyPem, updatedAt: keyPem, certificates: { [keyPem]: keyPem } }),
  );
  outputs.push(
    ...Object.values(await stage.pass()).map(String),
    (await stage.agent('status', { args: ['--json'] })).stdout,
  );

  for (const text of outputs) {
    assert.ok(!text.includes(slice.slice(0, 40)) && !text.includes('PRIVATE KEY'), text);
  }
});
