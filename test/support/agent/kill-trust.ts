// kill -9 at a write while a host takes a manifest, and then the older one is put back: what was served once is never served again.
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import { fleet } from './host.ts';
import { serialOf, signedRoot, stageLineage, stageSigner } from './publish.ts';
import { makeStage, type Stage } from './stage.ts';

const preload = fileURLToPath(new URL('./kill-preload.mjs', import.meta.url));
/** More writes than a pass makes. */
const MAX_WRITES = 40;

export interface TrustKills {
  /** Before a file is renamed into place, or in the middle of its bytes. */
  at: 'fs.rename' | 'handle.writeFile';
  first: number;
  step: number;
}

export function killWhileTrusting(campaign: TrustKills): void {
  const { at, step } = campaign;
  test(`killed at each ${step}. ${at} of a pass that follows a rotation: no older manifest counts again`, (t) =>
    killInTurn(t, campaign));
}

async function killInTurn(t: TestContext, { at, first, step }: TrustKills): Promise<void> {
  const stage = await makeStage(t, { version: '3.2' });
  const report = join(stage.dir, 'report');
  const statements: string[] = [];
  let signer = stageSigner;
  let isOver = false;
  let kills = 0;
  for (let round = first; !isOver && round < MAX_WRITES; round += step) {
    const older = await stage.publish('shop', { names: ['shop.test'] });
    await stage.putRoot(signedRoot(await stage.manifest(), {}, signer));
    assert.equal((await stage.pass()).code, 0);
    const old = await rootOf(stage);
    const next = signerOf(generatePrivateKey());
    statements.push(statementOf(signer, next, round));
    await stage.bucket.put(layout.keys(fleet), serializeKeys(statements));
    const newer = await stage.publish('shop', { names: ['shop.test'] });
    await stage.putRoot(signedRoot(await stage.manifest(), {}, next));
    const taken = await rootOf(stage);
    rmSync(report, { force: true });
    const env = {
      ...{ PEMFLEET_KILL_AT: String(round), PEMFLEET_KILL_ONLY: at, PEMFLEET_KILL_REPORT: report },
      PEMFLEET_WATCH: stage.stateDir,
    };

    const killed = await stage.agent('sync', { env, preload });

    isOver = killed.signal === null;
    if (!isOver) kills += 1;
    const said = readFileSync(report, 'utf8');
    const isServed = (await stage.handshake('shop.test')).serial === serialOf(newer);
    await stage.putRoot(old);
    await stage.pass();
    // If the host had not come so far, the older one is still the last.
    const { serial } = await stage.handshake('shop.test');
    assert.ok(serial === serialOf(newer) || (!isServed && serial === serialOf(older)), said);
    await stage.putRoot(taken);
    const after = await stage.pass();
    assert.equal(after.code, 0, `${said}${after.stderr}`);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(newer), said);
    assert.deepEqual((await stage.status()).trust, { key: next.key, isConfirmed: true }, said);
    signer = next;
  }
  t.diagnostic(`${kills} kills`);
  assert.ok(isOver && kills * step >= 4, `${kills} kills`);
}

async function rootOf(stage: Stage): Promise<string> {
  return (await stage.bucket.get(layout.root(fleet)))?.body.toString() ?? '';
}

function statementOf(signer: Signer, { key }: Signer, number: number): string {
  return signKeyStatement(signer, { lineage: stageLineage, number, key, at: new Date().toISOString() });
}
