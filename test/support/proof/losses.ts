/**
 * What an installation can lose, as values. Each loss comes on a copy of the same installation: a fleet that has served since
 * yesterday, renewed one certificate and got another since then, and has yesterday's backup of its bucket.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { HOUR_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import type { PassResult } from '../../../lambda/outcome.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { makeTempDir } from '../temp-dir.ts';
import { type Keep, startTogether } from '../together.ts';
import { FleetHost } from './host.ts';
import {
  type Authority,
  type ConfiguredCertificate,
  FleetIssuer,
  type OrderedLeaf,
  startAuthority,
} from './issuer.ts';
import { placesOf } from './scene.ts';
import { startWatch } from './watch.ts';

const [BUCKET, YESTERDAY, STATE, CERTS] = ['bucket', 'yesterday', 'state', 'haproxy/certs'] as const;
/** The operator's own file, beside none of these. */
const RECOVERY_KEY = 'recovery-key.json';
const fleet = 'edge';

const certificate = (name: string): ConfiguredCertificate => ({
  name,
  identifiers: [`${name}.test`],
  fleets: [fleet],
});
const KEPT = certificate('kept');
/** Of yesterday, and what came since. */
const FIRST = [KEPT, certificate('renewed')];
const ALL = [...FIRST, certificate('added')];

/** What there was before the loss. */
export interface Installation {
  dir: string;
  authority: Authority;
  issued: ReadonlyMap<string, OrderedLeaf>;
}

/** The installation on which a loss comes. */
export interface LossStage {
  dir: string;
  issuer: FleetIssuer;
  host: FleetHost;
  stop(): Promise<void>;
}

export interface Loss {
  name: string;
  apply(stage: LossStage): void;
}

/** The zone of the bucket is gone. */
const lose = (zone: string): Loss => ({
  name: `${zone}/ is lost`,
  apply: ({ issuer }) => rmSync(join(issuer.bucketDir, zone), { recursive: true }),
});

/** The zone is what it was yesterday. */
const restore = (zone: string): Loss => ({
  name: `yesterday's ${zone}/ is back`,
  apply: ({ dir, issuer }) => {
    rmSync(join(issuer.bucketDir, zone), { recursive: true, force: true });
    cpSync(join(dir, YESTERDAY, zone), join(issuer.bucketDir, zone), { recursive: true });
  },
});

/** In pemfleet.yaml and in agent.yaml. */
const renameFleet: Loss = {
  name: 'the fleet is renamed',
  apply: ({ issuer, host }) => {
    issuer.configure(issuer.certificates.map((one) => ({ ...one, fleets: ['renamed'] })));
    host.configure({ fleet: 'renamed' });
  },
};

const moveBucket: Loss = {
  name: 'the bucket has moved',
  apply: ({ dir, issuer, host }) => {
    const moved = join(dir, 'moved');
    cpSync(issuer.bucketDir, moved, { recursive: true });
    rmSync(issuer.bucketDir, { recursive: true });
    issuer.moveTo(moved);
    host.configure({ bucket: pathToFileURL(moved).href });
  },
};

export const LOSSES: readonly Loss[] = [
  lose('published'),
  lose('issuer'),
  lose('status'),
  restore('published'),
  restore('issuer'),
  renameFleet,
  moveBucket,
];

/** Nothing at all is left, or the new address holds nothing: the operator's recovery key brings the lineage back. */
const loseAll: Loss = {
  name: 'the whole bucket is lost',
  apply: ({ issuer }) => rmSync(issuer.bucketDir, { recursive: true }),
};

/** The new address holds nothing. */
const moveToNothing: Loss = {
  name: 'the bucket is a new one',
  apply: ({ dir, issuer, host }) => {
    const empty = join(dir, 'empty');
    issuer.moveTo(empty);
    host.configure({ bucket: pathToFileURL(empty).href });
  },
};

/** Each alone, and each two of them that can come together, in their order. */
const PAIRS: readonly (readonly Loss[])[] = LOSSES.flatMap((first, index) => [
  [first],
  ...LOSSES.slice(index + 1).map((second) => [first, second]),
]);

export const LOSS_ROWS: readonly (readonly Loss[])[] = [
  ...PAIRS,
  [loseAll],
  [moveToNothing],
  [loseAll, restore('issuer')],
  [loseAll, restore('published')],
  [loseAll, renameFleet],
];

/** The fleet serves since yesterday. */
export async function makeInstallation(
  authority: Authority,
  version: HaproxyVersion,
  keep: Keep,
): Promise<Installation> {
  const { path: dir, remove } = makeTempDir();
  keep(remove);
  const issuer = new FleetIssuer(authority, dir, join(dir, BUCKET));
  const host = await startHost(dir, version, () => undefined);
  try {
    issuer.configure(FIRST);
    await issuer.pass();
    await issuer.nameRecoveryKey(join(dir, RECOVERY_KEY));
    await issuer.pass();
    await host.pass();
    await issuer.pass();
    cpSync(join(dir, BUCKET), join(dir, YESTERDAY), { recursive: true });
    issuer.configure(ALL);
    await issuer.pass({ force: true, only: issuer.specNames('renewed', 'added') });
    const { code, stderr } = await host.pass();
    if (code !== 0) throw new Error(stderr);
    await issuer.pass();
    // What is lost of this one cannot be ordered anew: the host alone has it.
    for (const servername of KEPT.identifiers) await authority.refuse(servername);
  } finally {
    await host.haproxy.stop();
  }
  return { dir, authority, issued: issuer.issued };
}

/** Passes of both sides until nothing changes. */
const MAX_ROUNDS = 5;

/** Visitors come from before the losses until the installation has healed: none gets a wrong certificate, none gets nothing. */
export async function surviveLosses(
  t: TestContext,
  installation: Installation,
  losses: readonly Loss[],
  version: HaproxyVersion,
): Promise<void> {
  const stage = await startCopy(installation, version);
  t.after(stage.stop);
  const { issuer, host } = stage;
  await host.pass();
  const places = placesOf({ hosts: [host] }, ALL);
  const visits = startWatch(t, () => places, issuer.issued);

  for (const loss of losses) loss.apply(stage);
  await host.pass();
  await heal(stage);

  const { wrong, missing, handshakes } = await visits();
  assert.deepEqual({ wrong, missing }, { wrong: [], missing: [] }, host.logs.join('\n'));
  t.diagnostic(`${handshakes} handshakes, 0 wrong, 0 missing`);
}

/** A pass; where it says that it wants the operator's recovery key, he gives it. */
async function passOrRecover({ dir, issuer }: LossStage): Promise<PassResult> {
  try {
    return await issuer.pass();
  } catch (error) {
    if (codeOf(error) !== 'ERR_SIGNING_KEY_LOST') throw error;
    await issuer.recoverKey(join(dir, RECOVERY_KEY));
    return issuer.pass();
  }
}

/** The certificate that no CA gives any more may stay unlisted; the others are as published. */
async function heal(stage: LossStage): Promise<void> {
  const { issuer, host } = stage;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const { outcomes, error } = await passOrRecover(stage);
    if (error !== undefined) throw error;
    await host.pass();
    const isIdle = outcomes.every(({ certificate: name, result }) => name === KEPT.name || result === 'kept');
    const { files = [], conditions = [] } = (await host.readStatus()) ?? {};
    // An issuer without any memory begins a lineage of its own: the operator's file brings the old one back.
    if (conditions.some(({ condition }) => condition === 'other-lineage')) {
      await issuer.recoverKey(join(stage.dir, RECOVERY_KEY));
      continue;
    }
    const isServed = ALL.every(({ name }) =>
      files.some(({ certificate: served, state }) => served === name && state === 'served'),
    );
    if (isIdle && isServed) return;
    // A host reports once an hour what has not changed.
    host.aheadMs += HOUR_MS;
    issuer.aheadMs += HOUR_MS;
  }
  throw new Error(
    `not healed after ${MAX_ROUNDS} rounds:\n${host.logs.at(-1)}${issuer.events.names().join('\n')}`,
  );
}

/** A copy of the installation, which lives. */
function startCopy(
  { dir: from, authority, issued }: Installation,
  version: HaproxyVersion,
): Promise<LossStage> {
  return startTogether(async (keep) => {
    const { path: dir, remove } = makeTempDir();
    keep(remove);
    for (const part of [BUCKET, YESTERDAY, STATE, CERTS, RECOVERY_KEY]) {
      cpSync(join(from, part), join(dir, part), { recursive: true });
    }
    const issuer = new FleetIssuer(authority, dir, join(dir, BUCKET), issued);
    issuer.configure(ALL);
    const host = await startHost(dir, version, keep);
    return { dir, issuer, host };
  });
}

function startHost(dir: string, version: HaproxyVersion, keep: Keep): Promise<FleetHost> {
  const bucket = pathToFileURL(join(dir, BUCKET)).href;
  mkdirSync(join(dir, 'haproxy'), { recursive: true });
  return FleetHost.start(
    { name: 'host-1', fleet, bucket, version, dir, workDir: join(dir, 'haproxy') },
    keep,
  );
}

/** Declares a test for each row. */
export function testLosses(version: HaproxyVersion, rows = LOSS_ROWS): void {
  describe(`losses, HAProxy ${version}`, { concurrency: 2 }, () => {
    let parts: { installation: Installation; stop(): Promise<void> };
    before(async () => {
      parts = await startTogether(async (keep) => {
        const authority = await startAuthority(keep);
        return { installation: await makeInstallation(authority, version, keep) };
      });
    });
    after(() => parts.stop());
    for (const row of rows) {
      test(row.map(({ name }) => name).join(', and '), (t) =>
        surviveLosses(t, parts.installation, row, version),
      );
    }
  });
}
