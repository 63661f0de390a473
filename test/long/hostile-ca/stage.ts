// The real issuer, in this process, against the hostile CA before a real Pebble; its clock moves when it sleeps,
// so that a pass of minutes takes as long as the CA's answers.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { startResponderServer } from '../../../lambda/commands/responder-server.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import type { Outcome } from '../../../lambda/outcome.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
import { respondTo } from '../../../lambda/responder.ts';
import { runPassExclusively } from '../../../lambda/wiring.ts';
import { type HostileCa, startHostileCa } from '../../support/hostile-ca/hostile-ca.ts';
import { parseRoot } from '../../support/parse-root.ts';
import { startDns } from '../../support/parts/dns.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../../support/parts/pebble.ts';
import { freePort } from '../../support/ports.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

export interface PassReport {
  outcomes: Outcome[];
  /** the first certificate's */
  outcome: Outcome;
  /** events and their fields as JSON */
  log: string;
}

export interface Scene {
  ca: HostileCa;
  bucket: Bucket;
  /** one pass of `seconds`; fails when it sleeps or ends beyond that */
  pass(options?: PassOptions, seconds?: number): Promise<PassReport>;
  now(): Date;
  moveTo(time: Date): void;
  manifest(): Promise<Manifest | undefined>;
  /** challenges get no answer any more */
  mute(isMuted: boolean): void;
  /** challenges are looked up so much later: a CA that takes its time */
  slow(ms: number): void;
}

export interface SceneOptions {
  /** identifiers of each certificate */
  certificates?: string[][];
  concurrency?: number;
  /** sleeps as long as the issuer asks for; otherwise time moves on by itself */
  isRealTime?: boolean;
}

export interface IssuingStage {
  pebble: Pebble;
  scene(options?: SceneOptions): Promise<Scene>;
  stop(): Promise<void>;
}

/** What a pass may be late by: nobody's clock is that exact. */
const toleranceMs = 1_500;
const fleet = 'default' as Parameters<typeof layout.root>[0];

interface Answerer {
  bucket: Bucket;
  isMuted: boolean;
  slowMs: number;
}

export async function startIssuingStage(options: PebbleOptions = {}): Promise<IssuingStage> {
  const port = await freePort();
  const answerers: Answerer[] = [];
  const front = await startResponderServer({
    ...{ host: '127.0.0.1', port, onError: () => undefined },
    respond: async (event) => {
      const asked = answerers.filter(({ isMuted }) => !isMuted);
      const answers = await Promise.all(
        asked.map(async ({ bucket, slowMs }) => {
          await sleep(slowMs);
          return respondTo(bucket, event);
        }),
      );
      return (
        answers.find(({ statusCode }) => statusCode === 200) ?? { statusCode: 404, headers: {}, body: '' }
      );
    },
  });
  const dns = await startDns();
  const pebble = await startPebble({ httpPort: port, dnsServer: dns.address, ...options });
  const ends: (() => Promise<void> | void)[] = [pebble.stop, dns.stop, front.stop];
  const scene = async (options: SceneOptions = {}): Promise<Scene> => {
    const ca = await startHostileCa({ pebble });
    const dir = makeTempDir();
    ends.unshift(ca.stop, dir.remove);
    const bucketUrl = `file://${join(dir.path, 'bucket')}`;
    const answerer = { bucket: await openBucket(bucketUrl), isMuted: false, slowMs: 0 };
    answerers.push(answerer);
    return makeScene(ca, answerer, bucketUrl, options);
  };
  const stop = async () => {
    for (const end of ends) await end();
  };
  return { pebble, scene, stop };
}

function makeScene(ca: HostileCa, answerer: Answerer, bucketUrl: string, options: SceneOptions): Scene {
  const { certificates = [['a.example.test']], concurrency = 10, isRealTime = false } = options;
  const { bucket } = answerer;
  const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
  const ordered = certificates.map((identifiers) => ({ identifiers }));
  const text = stringify({ bucket: bucketUrl, acme, concurrency, certificates: ordered });
  const config = parseConfig('test', text);
  const clock = createClock(isRealTime ? Number.POSITIVE_INFINITY : 20);
  return {
    ...{ ca, bucket, now: clock.now, moveTo: clock.moveTo },
    pass: async (options = {}, seconds = 90) => {
      const deadline = new Date(clock.now().getTime() + seconds * 1000);
      const events: unknown[] = [];
      const log = (event: string, fields?: object) => void events.push({ event, ...fields });
      const timing = { now: clock.now, deadline, sleep: (ms: number) => clock.sleep(ms, deadline) };
      const identity = { id: 'test', label: 'test' };
      const pass = { bucket, config, options, timing, random: () => 0.5, log, identity };
      const { outcomes } = await runPassExclusively(pass);
      const late = clock.now().getTime() - deadline.getTime();
      assert.ok(late <= toleranceMs, `the pass ended ${late} ms after its deadline`);
      return { outcomes, outcome: outcomes[0] as Outcome, log: JSON.stringify(events) };
    },
    manifest: async () => {
      const object = await bucket.get(layout.root(fleet));
      return object && parseRoot(fleet, object.body).manifest;
    },
    mute: (isMuted) => {
      answerer.isMuted = isMuted;
    },
    slow: (ms) => {
      answerer.slowMs = ms;
    },
  };
}

/** Goes by itself, and jumps where somebody would sleep longer than `longestSleepMs`. */
function createClock(longestSleepMs: number) {
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  return {
    now,
    moveTo: (time: Date) => {
      aheadMs = Math.max(aheadMs, time.getTime() - Date.now());
    },
    sleep: async (ms: number, deadline: Date) => {
      assert.ok(now().getTime() + ms <= deadline.getTime(), `sleeps ${ms} ms, beyond the deadline`);
      aheadMs += Math.max(ms - longestSleepMs, 0);
      await sleep(Math.min(ms, longestSleepMs));
    },
  };
}

/** What a manifest says is there, is there. */
export async function assertWhole(scene: Scene): Promise<void> {
  const manifest = await scene.manifest();
  for (const [name, { pems }] of Object.entries(manifest?.certificates ?? {})) {
    for (const { sha256 } of pems) {
      const key = layout.pem(fleet, name as Parameters<typeof layout.pem>[1], sha256);
      assert.ok(await scene.bucket.get(key), `${key} is published, and is not there`);
    }
  }
}
