import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateName, fleetName, hostName } from '#contract/layout.ts';
import { ShardedMap } from '../../../../agent/state/sharded-map.ts';
import { type AgentState, readStateDirectory, saveState } from '../../../../agent/state/state.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const sha256 = 'a'.repeat(64);
const at = '2026-11-22T12:00:00.000Z';
const failure = { sha256, listing: 'a.test', code: 'ERR_X', message: 'm', attempts: 2, notBefore: at };
/** Has every member. */
const state: AgentState = {
  files: ShardedMap.of({
    'shop.pem': {
      certificate: certificateName.parse('shop'),
      written: [sha256],
      proven: { sha256, addresses: ['127.0.0.1:443'] },
      stapled: sha256,
      failure,
    },
  }),
  reload: { at, wish: sha256, failure: { code: 'ERR_X', message: 'm' } },
  reported: { digest: sha256, at },
};

test('the schema of the state changes nothing that it reads: sealed or not, it is the same', async (t) => {
  const directory = tempDir(t);
  const own = { fleet: fleetName.parse('edge'), host: hostName.parse('lb1') };
  const file = join(directory, 'state.json');
  await saveState(directory, state);
  const sealed = await readStateDirectory(directory, own, () => undefined);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/,\n {2}"sealed": .*/, ''));

  const checked = await readStateDirectory(directory, own, () => undefined);

  assert.deepEqual([sealed.state, checked.state], [state, state]);
});
