// "Whenever it is killed, HAProxy can start": the agent dies at any of its calls, HAProxy is reloaded in between, visitors notice nothing.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { programPath } from '../../setup.mjs';
import { type HaproxyVersion, startHaproxy } from '../parts/haproxy.ts';
import { type OcspResponder, startOcspResponder } from '../parts/ocsp-responder.ts';
import { randomFrom } from '../random.ts';
import { byList, type Way } from './configs.ts';
import { makeListed } from './listed.ts';
import { entryFor, serialOf } from './publish.ts';
import { makeStage, type Stage } from './stage.ts';
import { publishWithStaple } from './stapled.ts';
import { startVisitor, type Visitor } from './visitor.ts';

const preload = fileURLToPath(new URL('./kill-preload.mjs', import.meta.url));
/** Passes that are killed one after another, without one that ends. */
const MAX_IN_A_ROW = 3;
/** A reload during a pass comes at any time of it. */
const PASS_MS = 400;

export interface KilledOptions {
  version: HaproxyVersion;
  way: Way;
  kills: number;
  seed: number;
}

interface Scene {
  stage: Stage;
  list: string | undefined;
  visitor: Visitor;
  responder: OcspResponder;
  random: () => number;
  options: KilledOptions;
  /** What the manifest has now, by name. */
  wanted: Map<string, string>;
  round: number;
  /** What happened, to be printed with a failure. */
  story: string[];
}

const nameOf = (name: string) => `${name}.test`;

async function beginScene(t: TestContext, options: KilledOptions): Promise<Scene> {
  const isListed = options.way === 'crt-list FILE';
  const { stage, list } = isListed
    ? await makeListed(t, options.version, { at: 'list/crt-list.txt', masterWorker: true })
    : {
        stage: await makeStage(t, { version: options.version, masterWorker: true }),
        list: undefined,
      };
  if (list !== undefined) stage.flags.push('--crt-list-file', list);
  const responder = await startOcspResponder();
  t.after(() => responder.stop());
  const visitor = startVisitor(stage.haproxy.httpsPort);
  const random = randomFrom(options.seed);
  return { stage, list, visitor, responder, random, options, wanted: new Map(), round: 0, story: [] };
}

/** In each round: one stays, three are renewed (one with its OCSP response, one with its line in the crt-list), one is new, one is gone. */
async function publishRound(scene: Scene): Promise<void> {
  const { stage, visitor, wanted } = scene;
  scene.round += 1;
  const publish = async (name: string, haproxy?: object) => {
    const { combined } = await stage.pki.issue({ names: [nameOf(name), `www.${nameOf(name)}`] });
    visitor.allow(nameOf(name), combined);
    const entry = entryFor(combined, [nameOf(name), `www.${nameOf(name)}`]);
    await stage.publishBytes(name, combined, { ...entry, ...(haproxy && { haproxy }) });
    wanted.set(name, combined);
  };
  if (scene.round === 1) await publish('still');
  await publish('shop');
  await publishStapled(scene);
  const options = scene.round % 2 === 0 ? ['alpn h2'] : ['alpn http/1.1', 'ssl-min-ver TLSv1.2'];
  await publish('lined', { crtListOptions: options, sniFilters: [nameOf('lined')] });
  await publish(`new-${scene.round}`);
  const gone = `new-${scene.round - 1}`;
  visitor.excuse(nameOf(gone));
  wanted.delete(gone);
  await stage.withdraw(gone);
}

/** From a pass to the next it has an OCSP response, or none. */
async function publishStapled({ stage, visitor, responder, wanted, round }: Scene): Promise<void> {
  const names = [nameOf('stapled')];
  const { combined } = await stage.pki.issue({ names, ocspUrl: responder.url });
  visitor.allow(nameOf('stapled'), combined);
  wanted.set('stapled', combined);
  if (round % 3 === 0) await stage.publishBytes('stapled', combined, entryFor(combined, names));
  else await publishWithStaple(stage, responder, { name: 'stapled', combined, minutes: 60 });
}

/** @returns at which call it died; `undefined`: it came to its end */
async function passUntilKilled({ stage }: Scene, at: number): Promise<{ died?: string; calls: number }> {
  const report = join(stage.dir, 'report');
  rmSync(report, { force: true });
  const env = { PEMFLEET_KILL_AT: String(at), PEMFLEET_KILL_REPORT: report };
  const { signal, code, stderr } = await stage.agent('sync', { env, preload });
  const said = readFileSync(report, 'utf8').trim();
  if (signal !== null) return { died: said, calls: at };
  assert.ok(code === 0 || code === 3, stderr);
  return { calls: Number(/calls (\d+)/.exec(said)?.[1]) };
}

/** Nothing dies: afterwards exactly what is published is served. */
async function passToTheEnd(scene: Scene): Promise<void> {
  const { stage, visitor, wanted } = scene;
  const { code, stderr } = await stage.pass(['--retry']);
  assert.equal(code, 0, stderr);
  for (const [name, pem] of wanted) visitor.require(nameOf(name), pem);
}

/** `haproxy -c`, then a HAProxy of its own on the same files, which must serve each name. */
async function startAnother({ stage, list, visitor, options: { version } }: Scene): Promise<void> {
  const another = await startHaproxy({
    version,
    env: { PEMFLEET_CERTS_DIR: stage.haproxy.certsDir },
    ...(list !== undefined && { configText: byList(list) }),
  });
  try {
    assert.deepEqual(await visitor.ask(another.httpsPort), [], 'a HAProxy that starts now');
  } finally {
    await another.stop();
  }
}

async function checkConfiguration({ stage, list, options: { version } }: Scene): Promise<void> {
  const { certsDir, socket, httpPort } = stage.haproxy;
  const reference = fileURLToPath(new URL('../../../agent/host/haproxy.cfg', import.meta.url));
  const config = list === undefined ? reference : join(dirname(dirname(list)), 'haproxy.cfg');
  const env = {
    PEMFLEET_HTTP_BIND: `127.0.0.1:${httpPort}`,
    PEMFLEET_HTTPS_BIND: `127.0.0.1:${stage.haproxy.httpsPort}`,
    PEMFLEET_CERTS_DIR: certsDir,
    PEMFLEET_SOCKET: socket,
    PEMFLEET_SOCKET_GROUP: 'root',
    PEMFLEET_RESPONDER: '127.0.0.1:1',
    PEMFLEET_UNPRIVILEGED: '1',
  };
  await promisify(execFile)(programPath(`haproxy-${version}`), ['-c', '-f', config], { env });
}

/** One pass that dies, with a reload during it or after it. @returns whether it died */
async function killOnce(scene: Scene, at: number): Promise<boolean> {
  const { stage, random, story } = scene;
  const isDuring = random() < 0.5;
  const delayMs = random() * PASS_MS;
  await publishRound(scene);
  const during = isDuring ? sleep(delayMs).then(() => stage.haproxy.reload()) : undefined;
  const [{ died }] = await Promise.all([passUntilKilled(scene, at), during]);
  const reload = isDuring ? `a reload after ${Math.round(delayMs)} ms` : 'a reload behind it';
  story.push(`round ${scene.round}: ${died ?? 'came to its end'}, ${reload}`);
  await checkConfiguration(scene);
  await startAnother(scene);
  if (!isDuring) await stage.haproxy.reload();
  return died !== undefined;
}

async function campaign(scene: Scene): Promise<void> {
  const { options, random, stage } = scene;
  await publishRound(scene);
  await passToTheEnd(scene);
  await publishRound(scene);
  const { calls } = await passUntilKilled(scene, 0);
  await passToTheEnd(scene);
  let kills = 0;
  for (let inARow = 0; kills < options.kills; ) {
    // One in each part of a pass, so that none is left out.
    const at = 1 + Math.floor(((kills + random()) / options.kills) * (calls - 1));
    const isKilled = await killOnce(scene, at);
    if (isKilled) kills += 1;
    inARow = isKilled ? inARow + 1 : 0;
    if (inARow >= MAX_IN_A_ROW || random() < 0.5) {
      await passToTheEnd(scene);
      inARow = 0;
    }
  }
  await passToTheEnd(scene);
  await stage.haproxy.reload();
  await startAnother(scene);
  assertLeft(scene);
}

/** The files and the lines that are published, and nothing of those that died. */
function assertLeft({ stage, list, wanted }: Scene): void {
  const files = [...wanted.keys()].map((name) => `${name}.pem`).sort();
  assert.deepEqual(
    stage.files().filter((name) => !name.startsWith('.pemfleet') && name !== 'stapled.pem.ocsp'),
    files,
  );
  for (const [name, pem] of wanted) assert.equal(serialOf(stage.pem(name)), serialOf(pem));
  if (list === undefined) return;
  const listed = readFileSync(list, 'utf8').match(/[^/\s]+\.pem/g) ?? [];
  assert.deepEqual([...listed].sort(), files);
}

export async function surviveKills(t: TestContext, options: KilledOptions): Promise<void> {
  const scene = await beginScene(t, options);
  const { story, visitor } = scene;
  const failure = await campaign(scene).then(
    () => undefined,
    (error: unknown) => error,
  );
  const { handshakes, wrong } = await visitor.stop();
  const told = `seed ${options.seed}\n${story.join('\n')}`;
  if (failure !== undefined)
    throw new Error(
      `${String(failure)}\n${wrong.join('\n')}\n${told}\n${scene.stage.haproxy.log().slice(-3000)}`,
      { cause: failure },
    );
  assert.deepEqual(wrong, [], told);
  t.diagnostic(
    `seed ${options.seed}: ${options.kills} kills, ${handshakes} handshakes, 0 wrong, 0 starts refused`,
  );
}
