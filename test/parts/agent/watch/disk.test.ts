// The look of an idle poll: what is not as the last pass has left it is found within one poll.
import assert from 'node:assert/strict';
import { chmodSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { polls } from '../../../support/agent/polls.ts';
import { makeStage } from '../../../support/agent/stage.ts';

test('a file that is edited, deleted or opened to others is repaired by the next poll; one that is only touched makes no pass', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const path = join(stage.haproxy.certsDir, 'shop.pem');
  const other = await stage.pki.issue({ names: ['shop.test'] });

  const made = await polls(stage, [
    () => writeFileSync(path, other.combined),
    () => rmSync(path),
    () => chmodSync(path, 0o644),
    () => utimesSync(path, new Date(), new Date()),
  ]);

  const reasons = made.map((events) => events.flatMap(({ reason }) => reason ?? []));
  assert.deepEqual(reasons, [
    ['new in the manifest', 'new in the manifest'],
    ['the file was changed by another program'],
    ['the file is gone'],
    ['mode or owner is not as configured'],
    [],
  ]);
  assert.equal(stage.pem('shop'), pem);
});
