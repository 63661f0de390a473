// kill -9 at any moment, then a plain `sync`: disk, HAProxy and manifest agree, and nothing is left lying about.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isTempName } from '#storage/atomic-file.ts';
import { programPath } from '../../setup.mjs';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { makeListed } from './listed.ts';
import { serialOf } from './publish.ts';
import { makeStage, type Stage } from './stage.ts';

const preload = fileURLToPath(new URL('./kill-preload.mjs', import.meta.url));
/** More calls than a run makes: the campaign must end by a run that survives. */
const tooMany = 400;

/** The same work in each round: one renewed, one new, one gone. */
async function publishRound(stage: Stage, round: number, step: number): Promise<Record<string, string>> {
  const shop = await stage.publish('shop', { names: ['shop.test', '*.shop.test'] });
  const added = await stage.publish(`new-${round}`, { names: [`new-${round}.test`] });
  await stage.withdraw(`new-${round - step}`);
  return { shop, [`new-${round}`]: added };
}

async function startsOn(version: HaproxyVersion, stage: Stage, list: string | undefined): Promise<void> {
  const { certsDir, httpsPort } = stage.haproxy;
  const ssl = list === undefined ? `crt ${certsDir}` : `crt-list ${list}`;
  const config = join(stage.dir, 'check.cfg');
  const lines = ['frontend f', ' mode http', ' timeout client 1s'];
  writeFileSync(config, `${lines.join('\n')}\n bind 127.0.0.1:${httpsPort} ssl ${ssl} strict-sni\n`);
  await promisify(execFile)(programPath(`haproxy-${version}`), ['-c', '-f', config]);
}

/** A pass leaves alone what is not a minute old in the state directory: another process may be writing it without the lock. */
function ageTemps({ stateDir }: Stage): void {
  const temps = readdirSync(stateDir).filter(isTempName);
  for (const name of temps) utimesSync(join(stateDir, name), new Date(0), new Date(0));
}

async function assertAgreement(
  stage: Stage,
  wanted: Record<string, string>,
  list: string | undefined,
): Promise<void> {
  const names = Object.keys(wanted).sort();
  assert.deepEqual(
    stage.files(),
    names.map((name) => `${name}.pem`),
  );
  const listed = await stage.haproxy.command(`show ssl crt-list ${list ?? stage.haproxy.certsDir}`);
  const loaded = await stage.haproxy.command('show ssl cert');
  const onDisk = list === undefined ? [] : [readFileSync(list, 'utf8')];
  if (list !== undefined) assert.deepEqual(readdirSync(dirname(list)), ['crt-list.txt']);
  for (const shown of [listed, loaded, ...onDisk]) {
    const files = shown.match(/[^/\s]+\.pem/g) ?? [];
    assert.deepEqual([...files].sort(), stage.files());
  }
  assert.doesNotMatch(loaded, /transaction/);
  for (const name of names) {
    assert.equal(stage.pem(name), wanted[name]);
    const shown = await stage.haproxy.command(`show ssl cert ${join(stage.haproxy.certsDir, `${name}.pem`)}`);
    assert.match(shown, new RegExp(`^Status: Used\\nSerial: ${serialOf(wanted[name] as string)}$`, 'm'));
  }
  assert.equal((await stage.status()).drift, undefined, 'what a killed agent had not finished is no drift');
  assert.deepEqual(
    readdirSync(stage.stateDir).filter((name) => name.startsWith('.') || name.endsWith('-tmp')),
    [],
  );
}

export interface Campaign {
  version: HaproxyVersion;
  /** After each command to HAProxy only: which file call fails does not depend on its version. */
  only: '' | 'socket.write';
  /** Every `step`th call from `first` on. */
  first: number;
  step: number;
  /** HAProxy loads by a crt-list file. */
  isListed?: true;
}

async function stageFor(t: TestContext, { version, isListed }: Campaign) {
  if (!isListed) return { stage: await makeStage(t, { version }), list: undefined };
  // Out of the certificates' directory, whose files are counted.
  const { stage, list } = await makeListed(t, version, { at: 'list/crt-list.txt' });
  stage.flags.push('--crt-list-file', list);
  return { stage, list };
}

async function killInTurn(
  { stage, list }: Awaited<ReturnType<typeof stageFor>>,
  { version, only, first, step }: Campaign,
): Promise<string[]> {
  const report = join(stage.dir, 'report');
  const kills: string[] = [];
  await publishRound(stage, first - step, step);
  assert.equal((await stage.agent('sync')).code, 0);
  for (let round = first; round < tooMany; round += step) {
    const wanted = await publishRound(stage, round, step);
    rmSync(report, { force: true });
    // else a killed writer's temporary files there make the next run longer
    rmSync(join(stage.bucketDir, '.tmp'), { recursive: true, force: true });
    const env = {
      PEMFLEET_KILL_AT: String(round),
      PEMFLEET_KILL_ONLY: only,
      PEMFLEET_KILL_REPORT: report,
      PEMFLEET_WATCH: `${stage.haproxy.certsDir}:${stage.stateDir}`,
    };

    const killed = await stage.agent('sync', { env, preload });

    const said = readFileSync(report, 'utf8');
    assert.doesNotMatch(said, /open mode/);
    await startsOn(version, stage, list);
    const survived = killed.signal === null;
    if (survived) assert.equal(killed.code, 0, killed.stderr);
    else kills.push(said.trim());
    ageTemps(stage);
    const after = await stage.pass();
    assert.equal(after.code, 0, `${said}${after.stderr}`);
    await assertAgreement(stage, wanted, list);
    if (survived) return kills;
  }
  throw new Error(`no run survived ${tooMany} rounds`);
}

export function killCampaigns(campaigns: readonly Campaign[]): void {
  describe('kill -9', { concurrency: true }, () => {
    for (const campaign of campaigns) {
      const { version, only, first, step, isListed } = campaign;
      const how = isListed ? 'crt-list FILE' : 'crt DIR';
      const which = step === 1 ? 'each' : `each ${step}th (from ${first})`;
      test(`${version}, ${how}: at ${which} ${only || 'outward'} call in turn, then sync`, async (t) => {
        const scene = await stageFor(t, campaign);
        const { stage } = scene;
        const pid = await stage.haproxy.pid();

        const kills = await killInTurn(scene, campaign);

        t.diagnostic(`${kills.length} kills`);
        // Fewer would mean a blind preload.
        assert.ok(kills.length >= (only === '' ? 20 / Math.ceil(step / 2) : 12 / step), kills.join('\n'));
        assert.equal(await stage.haproxy.pid(), pid);
        assert.ok(kills.some((kill) => kill.includes('socket.')));
        assert.equal(
          kills.some((kill) => /fs\.|handle\./.test(kill)),
          only === '',
        );
      });
    }
  });
}
