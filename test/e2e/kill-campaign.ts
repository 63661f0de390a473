/** kill -9 of `pemfleet run` after each of its external calls in turn: the next run ends with one order a certificate, published once. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verify } from '#contract/combined-pem.ts';
import { fleetName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { parseRoot } from '../support/parse-root.ts';
import type { Finished } from './finish.ts';
import { type CaStage, startCaddyStage, startStage } from './stage.ts';

const preload = fileURLToPath(new URL('../support/kill-after.mjs', import.meta.url));
/** Stages side by side, each with a CA of its own, so that its orders can be counted. */
const LANES = 3;

export interface Campaign {
  /** 0: the first issue is killed; 1: the renewal after it. */
  renewals: 0 | 1;
  /** One, or a pair. */
  keyTypes: string[];
  /** Default: Pebble. */
  ca?: 'caddy';
  /** Which calls; default: each. */
  first?: number;
  step?: number;
}

/** Tries k = first, first + step, … until a run survives. @returns the first k that survived */
export async function killCampaign(campaign: Campaign): Promise<number> {
  const { first = 1, step = 1 } = campaign;
  let next = first;
  let survivor = Number.POSITIVE_INFINITY;
  const lane = async () => {
    const start = campaign.ca === 'caddy' ? startCaddyStage : startStage;
    const stage = await start({ certificates: [{ identifiers: ['unused.example.com'] }] });
    try {
      while (next < survivor) {
        const k = next;
        next += step;
        if (!(await isKilledAt(stage, k, campaign))) survivor = Math.min(survivor, k);
      }
    } finally {
      await stage.stop();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return survivor;
}

/** One killed run and the one that goes on. @returns false if there was no k-th call to be killed at */
async function isKilledAt(stage: CaStage, k: number, campaign: Campaign): Promise<boolean> {
  const { renewals, keyTypes } = campaign;
  const name = `k${k}.example.com`;
  const force = renewals === 1 ? ['--force-renewal'] : [];
  rmSync(stage.bucketDir, { recursive: true, force: true });
  stage.configure([{ identifiers: [name, `www.${name}`], keyTypes }]);
  const ordersBefore = stage.ca.ordersMade();
  if (renewals === 1) assertFine(await stage.issuer(['run']), k);

  const env = { KILL_AFTER: String(k), NODE_OPTIONS: `--import=${preload}` };
  const killed = await stage.issuer(['run', ...force], { env });
  // Killed before it had begun, or after it was done: then whoever forces renewals decides whether to do so again.
  const isUnbegun = list(stage, 'issuer/order').length === 0 && !isPublished(stage, renewals);
  assertFine(await stage.issuer(['run', ...(isUnbegun ? force : [])]), k);

  assertWhole(stage, k, name, campaign);
  const surplus = stage.ca.ordersMade() - ordersBefore - (renewals + 1) * keyTypes.length;
  // Caddy gives an order whose answer was lost to nobody again (docs/cas.md).
  const mayLose = campaign.ca === 'caddy' ? keyTypes.length : 0;
  assert.ok(surplus >= 0 && surplus <= mayLose, `k = ${k}: ${surplus} orders too many`);
  if (killed.signal !== 'SIGKILL') assertFine(killed, k);
  return killed.signal === 'SIGKILL';
}

function assertFine({ status, stderr }: Finished, k: number): void {
  assert.equal(status, 0, `k = ${k}:\n${stderr}`);
}

/** Published as often as wanted, and nothing left behind. */
function assertWhole(stage: CaStage, k: number, name: string, { renewals, keyTypes }: Campaign): void {
  const certificates = readManifest(stage)?.certificates ?? {};
  const [{ pems = [] } = {}] = Object.values(certificates);
  const directory = `published/default/pem/${name}`;

  assert.deepEqual(Object.keys(certificates), [name], `k = ${k}`);
  assert.equal(
    list(stage, directory).length,
    (renewals + 1) * keyTypes.length,
    `k = ${k}: published once each`,
  );
  assert.deepEqual(
    pems.map(({ keyType }) => keyType),
    keyTypes,
  );
  for (const { sha256, keyType } of pems) {
    const text = readFileSync(join(stage.bucketDir, directory, `${sha256}.pem`), 'utf8');
    verify(text, { identifiers: [name, `www.${name}`], keyType, sha256 }, new Date());
  }
  assert.deepEqual(list(stage, 'issuer/order'), [], `k = ${k}: an order record is left`);
  assert.deepEqual(list(stage, 'challenge'), [], `k = ${k}: a token is left`);
}

function isPublished(stage: CaStage, renewals: number): boolean {
  const [entry] = Object.values(readManifest(stage)?.certificates ?? {});
  return renewals === 0 ? entry !== undefined : entry?.previous !== undefined;
}

function readManifest(stage: CaStage): Manifest | undefined {
  if (!list(stage, 'published/default').includes('root.json')) return undefined;
  const root = readFileSync(join(stage.bucketDir, 'published/default/root.json'));
  return parseRoot(fleetName.parse('default'), root).manifest;
}

function list(stage: CaStage, prefix: string): string[] {
  try {
    return readdirSync(join(stage.bucketDir, prefix));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
