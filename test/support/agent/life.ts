// The whole life of an agent on a host, beside files of other people: installed, updated, repaired, refused, killed, forgotten, removed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { createPki } from '../parts/pki.ts';
import { byList, type Way } from './configs.ts';
import { startAgent } from './program.ts';
import { serialOf } from './publish.ts';
import { makeStage, type Stage } from './stage.ts';
import { factsOf, type Place, pathsBelow, strangers } from './strangers.ts';
import { strictOpenssl } from './strict-openssl.ts';
import { makeWorkDir } from './work-dir.ts';

const preload = fileURLToPath(new URL('./kill-preload.mjs', import.meta.url));
const uninstall = fileURLToPath(new URL('../../../agent/host/uninstall.sh', import.meta.url));
/** A pass takes less than a second; one that opens a FIFO never ends. */
const deadlineMs = 20_000;

export interface LifeOptions {
  version: HaproxyVersion;
  way: Way;
  /** The calls at which a pass is killed. */
  kills: readonly number[];
}

interface Life {
  stage: Stage;
  place: Place;
  list: string | undefined;
  /** The list as other people wrote it. */
  listText: string;
  namesakes: readonly string[];
  /** The PEM of ours that is to be served. */
  shop: string;
  options: LifeOptions;
}

async function beginLife(t: TestContext, options: LifeOptions): Promise<Life> {
  const { workDir, certs } = makeWorkDir(t);
  const outside = join(workDir, 'outside');
  mkdirSync(outside);
  const place = { certs, outside, pki: await createPki() };
  const isListed = options.way === 'crt-list FILE';
  const present = strangers.filter(({ isListOnly }) => isListed || !isListOnly);
  for (const { put } of present) await put(place);
  const list = isListed ? join(outside, 'crt-list.txt') : undefined;
  const listText = `# by hand: ask before you change it\n\n${certs}/foreign.pem [alpn h2] foreign.test\n  \n${certs}/legacy.pem   !x.legacy.test *.legacy.test\n`;
  if (list !== undefined) writeFileSync(list, listText);
  const stage = await makeStage(t, {
    ...{ version: options.version, workDir, env: { OPENSSL_CONF: strictOpenssl(t) } },
    ...(list !== undefined && { configText: byList(list) }),
  });
  if (list !== undefined) stage.flags.push('--crt-list-file', list);
  const namesakes = present.flatMap(({ namesake }) => namesake ?? []);
  return { stage, place, list, listText, namesakes, shop: '', options };
}

/** As `stage.agent`, but a program that hangs is a failure and not the end of all tests. */
async function inTime(
  { stage }: Life,
  words: readonly string[] = ['sync'],
  options: Parameters<typeof startAgent>[1] = {},
): Promise<void> {
  const [command = '', ...args] = words;
  const { child, output } = startAgent([command, ...stage.flags, ...args], options);
  const timer = setTimeout(() => child.kill('SIGABRT'), deadlineMs);
  const [, signal] = await once(child, 'close');
  clearTimeout(timer);
  assert.notEqual(signal, 'SIGABRT', `${words.join(' ')} does not end:\n${output.stderr}`);
}

async function publishShop(life: Life): Promise<void> {
  life.shop = await life.stage.publish('shop', { names: ['shop.test'] });
}

/** The agent works: a test of an agent that does nothing would prove nothing. */
async function assertServed({ stage, shop }: Life): Promise<void> {
  assert.equal(stage.pem('shop'), shop);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(shop));
}

const certificateNames = ['shop', 'edited', 'other'];

const steps: Record<string, (life: Life) => Promise<void>> = {
  'a dry run': async (life) => {
    for (const name of [...certificateNames, ...life.namesakes]) {
      await life.stage.publish(name, { names: [`${name}.test`] });
    }
    await inTime(life, ['sync', '--dry-run']);
  },
  installation: async (life) => {
    await publishShop(life);
    await inTime(life);
    await assertServed(life);
  },
  update: async (life) => {
    await publishShop(life);
    for (const name of life.namesakes) await life.stage.publish(name, { names: [`${name}.test`] });
    await life.stage.pass();
    await assertServed(life);
  },
  'a file of ours is lost': async (life) => {
    rmSync(join(life.place.certs, 'shop.pem'));
    await life.stage.pass();
    await assertServed(life);
  },
  'the mode of a file of ours is changed': async (life) => {
    chmodSync(join(life.place.certs, 'shop.pem'), 0o644);
    await life.stage.pass();
    await assertServed(life);
  },
  'an update that HAProxy refuses': async (life) => {
    await life.stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    const refused = await life.stage.pass();
    assert.match(refused.stderr, /ERR_RUNTIME_REFUSED/);
    await assertServed(life);
    await publishShop(life);
    await life.stage.pass(['--retry']);
    await assertServed(life);
  },
  'a pass that is killed': async (life) => {
    for (const kill of life.options.kills) {
      await publishShop(life);
      const env = { PEMFLEET_KILL_AT: String(kill), PEMFLEET_KILL_REPORT: join(life.stage.dir, 'report') };
      await inTime(life, ['sync'], { env, preload });
    }
    await life.stage.pass();
    await assertServed(life);
  },
  'the first boot': async (life) => {
    await inTime(life, ['sync', '--wait=1', '--placeholder', 'true']);
  },
  'the state is lost': async (life) => {
    rmSync(life.stage.stateDir, { recursive: true });
    await publishShop(life);
    await life.stage.pass();
    await assertServed(life);
  },
  'doctor and status': async (life) => {
    await Promise.all(['doctor', 'status'].map((command) => inTime(life, [command])));
  },
  'nothing is wanted any more': async ({ stage, namesakes, place: { certs } }) => {
    for (const name of [...certificateNames, ...namesakes]) await stage.withdraw(name);
    await stage.pass();
    assert.ok(!readdirSync(certs).includes('shop.pem'));
  },
  'the state is lost again': async ({ stage }) => {
    rmSync(stage.stateDir, { recursive: true });
    await stage.pass();
  },
  'doctor and leave': async (life) => {
    await Promise.all(['doctor', 'leave'].map((command) => inTime(life, [command])));
  },
  uninstallation: async ({ stage }) => {
    await promisify(execFile)('sh', [uninstall, '--purge'], { env: { ...process.env, DESTDIR: stage.dir } });
  },
};

/** An operator puts a certificate of his own in the place of one of ours: from then on it is his. */
async function replaceByHand({ place, stage }: Life): Promise<string> {
  const path = join(place.certs, 'edited.pem');
  const { combined } = await place.pki.issue({ names: ['edited.test'] });
  writeFileSync(`${path}.new`, combined, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  await stage.withdraw('edited');
  return path;
}

/** What ours leaves: nothing but what the agent knows of the directory. */
const isOurs = (name: string) => name.startsWith('.pemfleet');

export async function liveBeside(t: TestContext, options: LifeOptions): Promise<void> {
  const life = await beginLife(t, options);
  const { certs, outside } = life.place;
  const paths = pathsBelow(certs, outside).filter((path) => path !== life.list);
  const before = new Map(paths.map((path) => [path, factsOf(path)]));
  for (const [step, live] of Object.entries(steps)) {
    if (step === 'the state is lost') {
      const edited = await replaceByHand(life);
      before.set(edited, factsOf(edited));
    }

    await live(life);

    for (const [path, facts] of before) assert.deepEqual(factsOf(path), facts, `${step}: ${path}`);
  }
  const left = readdirSync(certs).filter((name) => !before.has(join(certs, name)));
  assert.deepEqual(
    left.filter((name) => !isOurs(name)),
    [],
  );
  if (life.list !== undefined) {
    const lines = readFileSync(life.list, 'utf8').split('\n');
    const theirs = lines.filter((line) => !line.startsWith(join(certs, 'edited.pem')));
    assert.equal(theirs.join('\n'), life.listText);
  }
}
