// Plants each row of the table in a fleet of two hosts, and compares how it is named in host status, `pemfleet status` and figures.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import type { PassMetrics } from '../../../lambda/figures/metrics.ts';
import type { StatusLine } from '../../../lambda/status/status-line.ts';
import type { WholeStatus } from '../../../lambda/status/whole-status.ts';
import { twoBinds } from '../agent/configs.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { levelsIn } from './figures.ts';
import type { TruthHost } from './host.ts';
import { OUR_DIRECTORY, type Planted, type TruthRow } from './row.ts';
import { certificateOf, truthRows } from './rows.ts';
import { passTime, startScene, type TruthScene, truthFleet } from './scene.ts';

/** Of a file that failed once, with its jitter. */
const FIRST_BACK_OFF_MS = 1.5 * MINUTE_MS;
/** The default of `watch.proveWithin`. */
const SPAN_MS = 10 * MINUTE_MS;
const OURS = `crt ${OUR_DIRECTORY} strict-sni`;

export function testTruth(version: HaproxyVersion, rows: readonly TruthRow[] = truthRows): void {
  describe(`HAProxy ${version}`, () => {
    let scene: TruthScene;
    let earlier: PassMetrics;
    before(async () => {
      scene = await startScene(version, [
        { name: 'lb1' },
        {
          name: 'lb2',
          configText: twoBinds(OURS, OURS),
          flags: ({ httpPort }) => [`127.0.0.1:${httpPort}`],
        },
      ]);
      for (const name of new Set(rows.map(certificateOf))) {
        if (rows.every((row) => !row.isUnpublished || row.name !== name)) await scene.issuer.publish(name);
      }
      await pollAll(scene);
      earlier = await assertHealthy(scene);
    });
    after(() => scene?.stop());
    for (const [index, row] of rows.entries()) {
      test(row.name, async () => {
        earlier = await plantAndFind({ ...scene, earlier }, row, certificateOf(row, index));
      });
    }
  });
}

/** @returns the figures once it is mended */
async function plantAndFind(
  scene: TruthScene & { earlier: PassMetrics },
  row: TruthRow,
  certificate: string,
): Promise<PassMetrics> {
  const { issuer, earlier } = scene;
  const host = hostOf(scene, row.on);
  const planted: Planted = {
    ...scene,
    host,
    certificate,
    path: host.pathOf(certificate),
    pem: issuer.pemOf(certificate),
  };
  try {
    await row.plant(planted);
    if (row.where !== 'issuer') await host.poll();
    if (row.where === 'span') await passTime(scene, SPAN_MS);
    for (const other of othersOf(scene, row)) await other.poll();

    if (row.inHostStatus !== undefined) {
      assert.deepEqual(row.inHostStatus(await host.status(), planted), row.isNamed, 'host status');
    }
    const status = await issuer.status();
    assertLine(status, row, certificate);
    assertNoOther(status, row, othersOf(scene, row));
    assertRises(earlier, await issuer.figures(row.figureAfterMs), row);
  } finally {
    await row.mend(planted);
    await pollAll(scene);
    await passTime(scene, row.takesHours ? 2 * SPAN_MS : FIRST_BACK_OFF_MS);
    await pollAll(scene);
  }
  return assertHealthy(scene);
}

function assertLine({ lines, level }: WholeStatus, { on, line }: TruthRow, certificate: string): void {
  const { names = ['host', 'certificate'] } = line;
  const fitting = lines.filter(
    (one) =>
      one.code === line.code &&
      one.level === line.level &&
      one.fleet === truthFleet &&
      (!names.includes('host') || one.host === on) &&
      (!names.includes('certificate') || one.certificate === certificate),
  );
  const says = `pemfleet status says: ${JSON.stringify(lines, null, 1)}`;
  assert.ok(
    fitting.some(({ text }) => line.says.test(text)),
    says,
  );
  // A drift that is repaired, and what nobody has to mend, is no failure for cron.
  assert.equal(level, line.level, says);
}

/** A host on which nothing is planted is not accused. */
function assertNoOther(
  { lines }: WholeStatus,
  { isEverywhere }: TruthRow,
  others: readonly TruthHost[],
): void {
  if (isEverywhere) return;
  const accusing = lines.filter(({ level }) => level !== 'note');
  for (const { name } of others) {
    const isNamed = ({ host, text }: StatusLine) => host === name || text.includes(`${name} `);
    assert.deepEqual(accusing.filter(isNamed), []);
  }
}

function othersOf({ hosts }: TruthScene, { on }: TruthRow): TruthHost[] {
  return [...hosts.values()].filter(({ name }) => name !== on);
}

function assertRises(earlier: PassMetrics, later: PassMetrics, { figures }: TruthRow): void {
  const rising = figures.filter((figure) => (later[figure] ?? 0) > (earlier[figure] ?? 0));
  assert.deepEqual(rising, figures, JSON.stringify(later));
}

async function pollAll({ hosts }: TruthScene): Promise<void> {
  for (const host of hosts.values()) await host.poll();
}

/** What was repaired is no fault. */
async function assertHealthy({ issuer }: TruthScene): Promise<PassMetrics> {
  // A pass of the issuer ends what it has failed at.
  const figures = await issuer.figures();
  const { level, lines } = await issuer.status();
  const wrong = lines.filter((line) => line.level !== 'note');
  assert.equal(level, 'note', `mended, and ${JSON.stringify(wrong, null, 1)}`);
  const levels = levelsIn(figures).filter(([name]) => name !== 'DriftRepaired');
  assert.deepEqual(levels, [], 'figures once it is mended');
  return figures;
}

function hostOf({ hosts }: TruthScene, name: string): TruthHost {
  const host = hosts.get(name);
  if (host === undefined) throw new Error(`there is no host ${name}`);
  return host;
}
