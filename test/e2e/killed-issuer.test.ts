/** kill -9 of `pemfleet run` after each of its external calls in turn: the next run ends with one order, published once. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verify } from '../../lambda/contract/combined-pem.ts';
import { fleetName } from '../../lambda/contract/layout.ts';
import { type Manifest, parseManifest } from '../../lambda/contract/manifest.ts';
import type { Finished } from './finish.ts';
import { type Stage, startStage } from './stage.ts';

const preload = fileURLToPath(new URL('../parts/kill-after.mjs', import.meta.url));
/** Stages side by side, each with a CA of its own, so that its orders can be counted. */
const LANES = 3;

test('killed after any external call of a first issue, the next run goes on with the same order', async () => {
  const survived = await campaign(0);

  // Account, order, authorization, finalization, download and publication: fewer calls would mean a blind preload.
  assert.ok(survived > 50, `only ${survived} calls were tried`);
});

test('killed after any external call of a renewal, the next run goes on with the same order', async () => {
  const survived = await campaign(1);

  assert.ok(survived > 40, `only ${survived} calls were tried`);
});

/** Tries k = 1, 2, … until a run survives. @returns the first k that survived */
async function campaign(renewals: 0 | 1): Promise<number> {
  let next = 1;
  let survivor = Number.POSITIVE_INFINITY;
  const lane = async () => {
    const stage = await startStage({ certificates: [{ identifiers: ['unused.example.com'] }] });
    try {
      while (next < survivor) {
        const k = next;
        next += 1;
        if (!(await isKilledAt(stage, k, renewals))) survivor = Math.min(survivor, k);
      }
    } finally {
      await stage.stop();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return survivor;
}

/** One killed run and the one that goes on. @returns false if there was no k-th call to be killed at */
async function isKilledAt(stage: Stage, k: number, renewals: 0 | 1): Promise<boolean> {
  const name = `k${k}.example.com`;
  const force = renewals === 1 ? ['--force-renewal'] : [];
  rmSync(stage.bucketDir, { recursive: true, force: true });
  stage.configure([{ identifiers: [name, `www.${name}`] }]);
  const ordersBefore = ordersOf(stage);
  if (renewals === 1) assertFine(await stage.issuer(['run']), k);

  const env = { KILL_AFTER: String(k), NODE_OPTIONS: `--import=${preload}` };
  const killed = await stage.issuer(['run', ...force], { env });
  // Killed before it had begun, or after it was done: then whoever forces renewals decides whether to do so again.
  const isUnbegun = list(stage, 'issuer/order').length === 0 && !isPublished(stage, renewals);
  assertFine(await stage.issuer(['run', ...(isUnbegun ? force : [])]), k);

  assertWhole(stage, k, name, renewals);
  assert.equal(ordersOf(stage) - ordersBefore, renewals + 1, `k = ${k}: no order dropped, none too many`);
  if (killed.signal !== 'SIGKILL') assertFine(killed, k);
  return killed.signal === 'SIGKILL';
}

function assertFine({ status, stderr }: Finished, k: number): void {
  assert.equal(status, 0, `k = ${k}:\n${stderr}`);
}

/** Published as often as wanted, and nothing left behind. */
function assertWhole(stage: Stage, k: number, name: string, renewals: number): void {
  const certificates = readManifest(stage)?.certificates ?? {};
  const [entry] = Object.values(certificates);
  const pem = join(stage.bucketDir, `published/default/pem/${name}/${entry?.pems[0]?.sha256}.pem`);

  assert.deepEqual(Object.keys(certificates), [name], `k = ${k}`);
  assert.equal(
    list(stage, `published/default/pem/${name}`).length,
    renewals + 1,
    `k = ${k}: published once each`,
  );
  verify(readFileSync(pem, 'utf8'), { identifiers: [name, `www.${name}`] }, new Date());
  assert.deepEqual(list(stage, 'issuer/order'), [], `k = ${k}: an order record is left`);
  assert.deepEqual(list(stage, 'challenge'), [], `k = ${k}: a token is left`);
}

/** New orders that the CA has seen. */
function ordersOf(stage: Stage): number {
  return stage.pebble.log().match(/Added order /g)?.length ?? 0;
}

function isPublished(stage: Stage, renewals: number): boolean {
  const [entry] = Object.values(readManifest(stage)?.certificates ?? {});
  return renewals === 0 ? entry !== undefined : entry?.previous !== undefined;
}

function readManifest(stage: Stage): Manifest | undefined {
  if (!list(stage, 'published/default').includes('manifest.json')) return undefined;
  return parseManifest(
    fleetName.parse('default'),
    readFileSync(join(stage.bucketDir, 'published/default/manifest.json')),
  );
}

function list(stage: Stage, prefix: string): string[] {
  try {
    return readdirSync(join(stage.bucketDir, prefix));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
