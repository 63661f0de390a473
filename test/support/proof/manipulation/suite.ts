/** The table against a host with real HAProxy: nothing of it is installed, no visitor notices, and the host's status names each. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { HOUR_MS } from '#common/time.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { fleet as fleetName } from '../../agent/host.ts';
import type { HaproxyVersion } from '../../parts/haproxy.ts';
import { createPki } from '../../parts/pki.ts';
import { makeTempDir } from '../../temp-dir.ts';
import { startTogether } from '../../together.ts';
import { FleetHost } from '../host.ts';
import { startWatch, type Visits } from '../watch.ts';
import { AttackedFleet } from './fleet.ts';
import type { Manipulation } from './rows.ts';

interface AttackStage {
  fleet: AttackedFleet;
  /** It has served the fleet since its first day. */
  host: FleetHost;
  /** It has never polled, and knows the issuer's key. */
  newHost: FleetHost;
  stop(): Promise<void>;
}

function startStage(version: HaproxyVersion): Promise<AttackStage> {
  return startTogether(async (keep) => {
    const { path: dir, remove } = makeTempDir();
    keep(remove);
    const bucketDir = join(dir, 'bucket');
    const bucket = pathToFileURL(bucketDir).href;
    const start = (name: string) =>
      FleetHost.start({ name, fleet: fleetName, bucket, version, dir: join(dir, name) }, keep);
    const [host, newHost] = [await start('host-1'), await start('host-2')];
    const fleet = new AttackedFleet(bucketDir, await createPki(), await createPki());
    newHost.configure({ trust: { key: fleet.signer.key, recoveryKey: fleet.recovery.key } });
    return { fleet, host, newHost };
  });
}

/** Two certificates are served, a third one was withdrawn, the key was changed, one was renewed. */
async function live({ fleet, host }: AttackStage): Promise<void> {
  for (const name of ['shop', 'cart', 'gone']) await fleet.publish(name, fleet.retired);
  await passWell(host);
  fleet.rotate();
  await passWell(host);
  fleet.withdraw('gone');
  await fleet.publish('shop');
  await passWell(host);
}

/** All is well: nothing is left of what was refused before. */
async function passWell(host: FleetHost): Promise<void> {
  const { code, stderr } = await host.pass();
  assert.equal(code, 0, stderr);
  const unexpected = linesOf(await host.status()).filter((line) => !line.startsWith('key-unverified'));
  assert.deepEqual(unexpected, []);
}

/** Everything that the status says is wrong. */
function linesOf({ conditions = [], error, files }: HostStatus): string[] {
  return [
    ...conditions.map(({ condition, message }) => `${condition}: ${message}`),
    ...(error === undefined ? [] : [`${error.code}: ${error.message}`]),
    ...files.flatMap((one) => (one.error ? [`${one.file}: ${one.error.code}: ${one.error.message}`] : [])),
  ];
}

/** What is on the disk, by file. */
function filesOf({ haproxy: { certsDir } }: FleetHost, suffix = '.pem'): Map<string, string> {
  const names = readdirSync(certsDir).filter((name) => name.endsWith(suffix));
  return new Map(names.sort().map((name) => [name, readFileSync(join(certsDir, name), 'base64')]));
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

const publishedBy = ({ current }: AttackedFleet) =>
  new Map([...current].sort().map(([name, pem]) => [`${name}.pem`, base64(pem)]));

async function resist({ fleet, host, newHost }: AttackStage, row: Manipulation): Promise<void> {
  const [installed, stapled] = [filesOf(host), filesOf(host, '.ocsp')];
  await row.before?.(fleet);
  const undo = fleet.snapshot();
  const attacked = row.host === 'new' ? newHost : host;
  if (row.host !== undefined) rmSync(attacked.stateDir, { recursive: true, force: true });

  const { lines, stderr } = await attackOn(attacked, fleet, row).finally(undo);

  assert.ok(
    lines.some((line) => row.says.test(line)),
    `wanted ${row.says}, saw ${lines.join('\n')}\n${stderr}`,
  );
  assert.deepEqual(filesOf(host), installed);
  for (const [file, body] of filesOf(host, '.ocsp')) {
    const published = fleet.staples.get(file.slice(0, -'.pem.ocsp'.length));
    assert.ok([stapled.get(file), published?.toString('base64')].includes(body), file);
  }
  assert.deepEqual([...filesOf(newHost).keys()], []);
  // It has learned nothing that keeps it from what is true.
  await passWell(host);
  assert.deepEqual(filesOf(host), publishedBy(fleet));
}

/** @returns all that the host's status says is wrong */
async function attackOn(host: FleetHost, fleet: AttackedFleet, { write, hoursAhead = 0 }: Manipulation) {
  host.aheadMs = hoursAhead * HOUR_MS;
  try {
    await write(fleet);
    const { stderr } = await host.pass();
    return { lines: linesOf(await host.status()), stderr };
  } finally {
    host.aheadMs = 0;
  }
}

/** Declares a test for each row. */
export function testManipulations(rows: readonly Manipulation[], version: HaproxyVersion): void {
  describe(`somebody writes to published/, HAProxy ${version}`, () => {
    let stage: AttackStage;
    let visits: () => Promise<Visits>;
    before(async () => {
      stage = await startStage(version);
      await live(stage);
      const { name: host, haproxy } = stage.host;
      const places = ['shop.test', 'cart.test'].map((servername) => ({
        host,
        port: haproxy.httpsPort,
        servername,
      }));
      visits = startWatch({ after: () => undefined }, () => places, stage.fleet.issued);
    });
    after(async () => {
      await visits();
      await stage.stop();
    });

    for (const row of rows) test(row.name, () => resist(stage, row));

    test('no visitor has noticed', async (t) => {
      const { handshakes, wrong, missing } = await visits();
      assert.deepEqual({ wrong, missing }, { wrong: [], missing: [] });
      assert.ok(handshakes > rows.length);
      t.diagnostic(`${handshakes} handshakes, 0 wrong, 0 missing`);
    });
  });
}
