// `pemfleet adopt` of what HAProxy serves from a directory of PEM files, or from single ones: the same certificates at the same paths.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';

const CA = 'https://ca.test/directory';
let pki: Pki;
before(async () => {
  pki = await createPki();
});

test('a directory of PEMs: one command, nothing is ordered, HAProxy serves on, and --undo leaves the tree as it was', async (t) => {
  const machine = await oldMachine(t, { version: '3.0' });
  const { certs, home, adopt, agent, pemfleet, visit, snapshot, haproxyConfig } = machine;
  const [www, bought] = [
    await pki.issue({ names: ['www.example.com'] }),
    await pki.issue({ names: ['shop.example.com'] }),
  ];
  // As a hook leaves it: the key first, a blank line, readable for everybody.
  writeFileSync(join(certs, 'www.pem'), `${www.keyPem}\n${www.leafPem}${www.chainPem.join('')}`, {
    mode: 0o644,
  });
  writeFileSync(join(certs, 'shop.pem'), bought.combined, { mode: 0o600 });
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  machine.own();
  await machine.start();
  const [config, old, serves] = [readFileSync(haproxyConfig), snapshot(), await visit('www.example.com')];

  const words = ['--from', 'directory', '--dir', certs, '--ca', CA, '--ca-file', join(home, 'ca.pem')];
  const dry = adopt(...words, '--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^would publish shop, www in file:\S+bucket; HAProxy's files would be/m);
  assert.deepEqual(snapshot(), old);
  const begin = performance.now();
  const adopted = adopt(...words, '--yes');
  const tookMs = performance.now() - begin;

  assert.equal(adopted.status, 0, adopted.stderr);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  assert.deepEqual(readFileSync(haproxyConfig), config);
  // Nobody asks the CA, which does not exist: nothing is due.
  const plan = pemfleet('plan');
  assert.equal(plan.status, 0, plan.stderr);
  assert.match(plan.stderr, /^shop +kept +fresh.*\nwww +kept +fresh/m);
  const synced = agent('sync');
  assert.equal(synced.status, 0, synced.stderr);
  assert.match(synced.stderr, /served=2 failed=0 pending=0 needs-reload=0/);
  assert.equal(await visit('www.example.com'), serves);
  const there = snapshot();
  assert.match(adopt('--undo', '--dry-run').stdout, /^would put back \S+www\.pem$/m);
  assert.deepEqual(snapshot(), there);
  assert.match(adopted.stdout, /note: other users could read \S+www\.pem;/);
  const undone = adopt('--undo');
  assert.equal(undone.status, 0, undone.stderr);
  assert.deepEqual(snapshot(), old);
});
