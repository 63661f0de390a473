// Many certificates in one pass: what is done once for all of them is counted, not timed.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { openSocket, type RuntimeCommand } from '../../../../agent/haproxy/socket.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { fleet } from '../../../support/agent/host.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { agentHere } from '../../../support/agent/program.ts';
import type { Stage } from '../../../support/agent/stage.ts';

const COUNT = 45;
/** As many as are made ready together. */
const AT_A_TIME = 20;
const names = Array.from({ length: COUNT }, (_, index) => `c${String(index).padStart(2, '0')}`);

/** Its directory holds nothing else. */
const LIST = { at: 'list/crt-list.txt', text: '# by hand\n' };

/** A pass, with how often it wrote the file, and which commands HAProxy got. */
async function countedPass(t: TestContext, stage: Stage, list: string) {
  let writes = 0;
  const { rename } = fs;
  t.mock.method(fs, 'rename', (from: string, to: string) => {
    if (to === list) writes += 1;
    return rename(from, to);
  });
  syncBuiltinESMExports();
  const verbs: string[] = [];
  const socket = openSocket({ path: stage.haproxy.socket, timeoutMs: 8000 });
  const runtime = new Runtime(
    (command, ...next) => {
      // Without a file, `show ssl cert` is the listing of all.
      const named = ({ verb, operands = [] }: RuntimeCommand) =>
        verb === 'show ssl cert' && operands.length === 0 ? `${verb} (all)` : verb;
      verbs.push([command, ...next].map(named).join(';'));
      return socket(command, ...next);
    },
    (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  );
  try {
    const agent = await agentHere([...stage.flags, '--crt-list-file', list], () => undefined, { runtime });
    const { status } = await sync(agent);
    const count = (verb: string) => verbs.filter((one) => one === verb).length;
    return { status, writes, count, connections: verbs.length };
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
}

// What is counted is the agent's own: one version tells.
const version = '3.2';

test(`${version}: a crt-list file is written once for ${AT_A_TIME} certificates, and asked for once in a pass`, async (t) => {
  const { stage, list } = await makeListed(t, version, LIST);
  const lines = () => readFileSync(list, 'utf8').match(/c\d\d(?=\.pem)/g);
  await stage.publishAll(names);

  const added = await countedPass(t, stage, list);

  assert.ok(added.status.files.every(({ state }) => state === 'served'));
  assert.equal(added.writes, Math.ceil(COUNT / AT_A_TIME));
  assert.equal(added.count('show ssl crt-list'), 2, 'the lists, and the entries of one');
  assert.equal(added.count('set ssl cert'), COUNT);
  assert.equal(added.count('show ssl cert'), 0, 'each is shown with the command that brought it');
  assert.equal(added.count('show ssl cert (all)'), 1, 'files of others are looked for once');
  assert.deepEqual(lines(), names);

  await stage.publishAll(names);
  const renewed = await countedPass(t, stage, list);

  assert.ok(renewed.status.files.every(({ state }) => state === 'served'));
  assert.deepEqual([renewed.writes, renewed.count('show ssl crt-list')], [0, 2]);
  assert.equal(renewed.count('commit ssl cert;show ssl cert'), COUNT);

  const idle = await countedPass(t, stage, list);

  assert.equal(idle.writes, 0);
  // 3.2: with its own acme sections.
  assert.equal(
    idle.connections,
    8,
    'show info twice, the lists, the entries, all certificates, two lines of certificates, acme status',
  );

  await stage.withdraw(names);
  const removed = await countedPass(t, stage, list);

  const times = Math.ceil(COUNT / AT_A_TIME);
  // The entries of ours once more, and the names of all lists: another may name a file.
  assert.deepEqual([removed.writes, removed.count('show ssl crt-list')], [times, 2 + 2]);
  assert.deepEqual([lines(), stage.files()], [null, []]);
});

test(`${version}: of certificates that are made ready together, a bad one stops no other`, async (t) => {
  const { stage, list } = await makeListed(t, version, LIST);
  await stage.publishAll(names);
  const { certificates } = await stage.manifest();
  const [, , bad = ''] = names;
  const [pem] = certificates[certificateName.parse(bad)]?.pems ?? [];
  rmSync(join(stage.bucketDir, layout.pem(fleet, certificateName.parse(bad), pem?.sha256 ?? '')));

  const { status } = await countedPass(t, stage, list);

  const notServed = status.files.filter(({ state }) => state !== 'served');
  assert.deepEqual(
    notServed.map(({ certificate, error }) => [certificate, error?.code]),
    [[bad, 'ERR_PEM_MISSING']],
  );
  assert.doesNotMatch(readFileSync(list, 'utf8'), new RegExp(bad));
  await stage.haproxy.restart();
});
