// What is no drift: renewals, reloads, restarts, other settings, lost records, a line of the operator's own. (kill-campaign.ts holds the same of an agent that is killed.)
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OWNERSHIP_FILE } from '../../../../agent/state/ownership.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { polls } from '../../../support/agent/polls.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

const isDrift = ({ event }: { event: string }) => event.startsWith('drift.');

async function assertNone(stage: Stage, flags: string[], steps: readonly (() => unknown)[]): Promise<void> {
  const made = await polls({ flags }, [...steps, () => undefined]);

  assert.deepEqual(made.flat().filter(isDrift), []);
  assert.equal((await stage.status()).drift, undefined);
}

const pathOf = (stage: Stage, name: string) => join(stage.haproxy.certsDir, `${name}.pem`);

test('renewals, reloads and restarts in any order, withdrawals, touched files and a lost state directory', async (t) => {
  const stage = await makeStage(t, { version: '3.2', masterWorker: true });
  const { haproxy } = stage;
  const renew = (name: string) => stage.publish(name, { names: [`${name}.test`] });
  for (const name of ['a', 'b', 'c']) await renew(name);
  const forget = () => {
    rmSync(stage.stateDir, { recursive: true });
    rmSync(join(haproxy.certsDir, OWNERSHIP_FILE));
    writeFileSync(pathOf(stage, 'b'), 'edited while nobody knew anything');
  };

  await assertNone(stage, stage.flags, [
    () => renew('a'),
    () => haproxy.reload(),
    async () => {
      await renew('b');
      await haproxy.reload();
    },
    async () => {
      await haproxy.restart();
      await renew('c');
    },
    () => utimesSync(pathOf(stage, 'a'), new Date(0), new Date(0)),
    async () => {
      await renew('a');
      writeFileSync(pathOf(stage, 'a'), 'edited as it is renewed');
    },
    async () => {
      await stage.withdraw('c');
      rmSync(pathOf(stage, 'c'));
    },
    async () => {
      renameSync(haproxy.socket, `${haproxy.socket}.away`);
      await renew('a');
    },
    () => renameSync(`${haproxy.socket}.away`, haproxy.socket),
    forget,
  ]);
});

test('other settings: the files of another directory and another mode are what the agent is about to make', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  await stage.publish('shop', { names: ['shop.test'] });
  await assertNone(stage, stage.flags, []);

  await assertNone(stage, [...stage.flags, '--pem-mode', '0640'], []);
  await assertNone(stage, [...stage.flags, '--pem-mode', '0600'], []);
});

test("a crt-list file: the options of a line that the manifest leaves to the operator, and others' lines", async (t) => {
  const { stage, list } = await makeListed(t, '3.2');
  await stage.publish('shop', { names: ['shop.test'] });
  const flags = [...stage.flags, '--crt-list-file', list];

  await assertNone(stage, flags, [
    () => writeFileSync(list, readFileSync(list, 'utf8').replace('shop.pem', 'shop.pem [alpn h2]')),
    () => appendFileSync(list, '# a comment\n'),
  ]);
});
