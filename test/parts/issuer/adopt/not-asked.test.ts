// adopt of a HAProxy that does not answer: what HAProxy does not say is not taken from its files in silence.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki } from '../../../support/parts/pki.ts';

test('HAProxy does not run, or runs and does not answer: --from haproxy is refused, a dry run says what could not be checked, and visitors get what they got', async (t) => {
  const pki = await createPki();
  const machine = await oldMachine(t, { version: '3.2' });
  const { certs, home, adopt, visit, snapshot, socket } = machine;
  writeFileSync(join(certs, 'www.pem'), (await pki.issue({ names: ['www.example.com'] })).combined);
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  machine.own();
  const ca = ['--ca', 'https://ca.test/directory', '--ca-file', join(home, 'ca.pem')];
  const old = snapshot();

  const needed = adopt(...ca, '--from', 'haproxy', '--yes');
  assert.equal(needed.status, 1, needed.stdout);
  assert.match(
    needed.stderr,
    /^--from haproxy wants a HAProxy that runs .*saw none: start it, or .*nothing was/,
  );
  const unasked = /^note: HAProxy was not asked: it does not run; its files are taken for what it serves/m;
  assert.match(adopt(...ca, '--dry-run').stdout, unasked);
  assert.match(
    JSON.parse(adopt(...ca, '--dry-run', '--json').stdout).notes.join(),
    /HAProxy was not asked: it/,
  );
  assert.deepEqual(snapshot(), old);

  await machine.start();
  const serves = await visit('www.example.com');
  rmSync(socket);
  const silent = /wanted HAProxy's stats socket \S+admin\.sock, saw no such file/;
  assert.match(adopt(...ca, '--dry-run').stdout, silent);
  const refused = adopt(...ca, '--yes');
  assert.equal(refused.status, 1, refused.stdout);
  assert.match(refused.stderr, silent);
  assert.match(refused.stderr, /see that HAProxy runs with this configuration.*nothing was changed\n$/);
  assert.equal(await visit('www.example.com'), serves);
});

test('HAProxy does not run: what its files have is adopted, and is what it serves from its start on', async (t) => {
  const pki = await createPki();
  const machine = await oldMachine(t, { version: '3.2' });
  const { certs, home, adopt, agent, visit } = machine;
  const { combined } = await pki.issue({ names: ['www.example.com'] });
  writeFileSync(join(certs, 'www.pem'), combined);
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  machine.own();

  const adopted = adopt('--ca', 'https://ca.test/directory', '--ca-file', join(home, 'ca.pem'), '--yes');

  assert.equal(adopted.status, 0, adopted.stderr);
  assert.match(adopted.stdout, /^note: HAProxy was not asked: it does not run/m);
  assert.doesNotMatch(adopted.stdout, /stats socket/);
  await machine.start();
  const synced = agent('sync');
  assert.equal(synced.status, 0, synced.stderr);
  assert.equal(await visit('www.example.com'), new X509Certificate(combined).fingerprint256);
});
