/** Programs that run at the same time on one bucket and one host, and passes that have nothing to do. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { handshake } from '../support/handshake.ts';
import { type Stage, startStage } from './stage.ts';

const NAMES = Array.from({ length: 8 }, (_, index) => `n${index}.example.com`);

let stage: Stage;
before(async () => {
  stage = await startStage({
    certificates: NAMES.map((name) => ({ identifiers: [name] })),
    haproxyVersion: '2.6',
  });
});
after(() => stage.stop());

test('two issuers at once order each certificate once', async () => {
  const runs = await Promise.all([stage.issuer(['run']), stage.issuer(['run'])]);

  for (const { status, stderr } of runs) assert.equal(status, 0, stderr);
  assert.equal(stage.pebble.log().match(/Added order /g)?.length, NAMES.length);
  assert.deepEqual(Object.keys(manifest().certificates), NAMES);
});

test('two agents at once on HAProxy 2.6 mix nothing up', async () => {
  const runs = await Promise.all([stage.agent(['sync']), stage.agent(['sync'])]);

  for (const { status, stderr } of runs) assert.equal(status, 0, stderr);
  await assertServed();
});

test('renewal by two issuers and two agents at once ends with all served as published', async () => {
  const renewals = ['run', '--force-renewal'];
  const before = serials();

  const issuers = await Promise.all([stage.issuer(renewals), stage.issuer(['run'])]);
  const agents = await Promise.all([stage.agent(['sync']), stage.agent(['sync'])]);

  for (const { status, stderr } of [...issuers, ...agents]) assert.equal(status, 0, stderr);
  for (const [name, serial] of serials()) assert.notEqual(serial, before.get(name));
  await assertServed();
});

test('a pass with nothing due and a poll with nothing new say so and change nothing', async () => {
  // Whichever issuer was the last above: the CA's windows for what is new are asked for once.
  await stage.issuer(['run']);
  const before = snapshot();

  const pass = await stage.issuer(['run', '--json']);
  const poll = await stage.agent(['sync']);

  assert.equal(pass.status, 0, pass.stderr);
  assert.equal(poll.status, 0, poll.stderr);
  const { outcomes } = JSON.parse(pass.stdout) as { outcomes: { result: string; reason: string }[] };
  assert.deepEqual(
    new Set(outcomes.map(({ result, reason }) => `${result} ${reason}`)),
    new Set(['kept fresh']),
  );
  assert.match(poll.stderr, /manifest\.unchanged/);
  assert.deepEqual(snapshot(), before);
});

test('status shows every certificate served by the host, and exits 0', async () => {
  const { status, stdout } = await stage.issuer(['status', '--json']);

  const { fleets } = JSON.parse(stdout) as { fleets: { certificates: { served: string[] }[] }[] };
  assert.equal(status, 0);
  assert.ok(fleets[0]?.certificates.every(({ served }) => served.includes('host-1')));
});

interface PublishedManifest {
  certificates: Record<string, { pems: { serial: string }[] }>;
}

function manifest(): PublishedManifest {
  return JSON.parse(readFileSync(join(stage.bucketDir, 'published/default/root.json'), 'utf8'));
}

function serials(): Map<string, string> {
  return new Map(
    Object.entries(manifest().certificates).map(([name, entry]) => [name, entry.pems[0]?.serial ?? '']),
  );
}

async function assertServed(): Promise<void> {
  for (const [name, serial] of serials()) {
    const served = await handshake({ port: stage.haproxy.httpsPort, servername: name });
    assert.deepEqual([name, served.serial, served.names], [name, serial, [name]]);
  }
}

/** Modification times of all that issuer and agent may write. */
function snapshot(): Record<string, number> {
  const roots = [stage.bucketDir, stage.haproxy.certsDir, join(stage.dir, 'agent')];
  const files = roots.flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).map((file) => join(root, file)),
  );
  // Lock files are touched, and say nothing.
  const telling = files.filter((file) => !file.includes('/.lock') && !file.endsWith('.tmp'));
  return Object.fromEntries(
    telling.filter((file) => statSync(file).isFile()).map((file) => [file, statSync(file).mtimeMs]),
  );
}
