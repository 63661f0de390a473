// What a run of adopt that was killed has left is in nobody's way, and `--undo` leaves what HAProxy can read.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { undoAdoption } from '../../../../lambda/adopt/apply/undo-adoption.ts';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

let pki: Pki;
before(async () => {
  pki = await createPki();
});

test('a run that was killed between making a link and putting it in place: the next one goes through, and --undo leaves no trace of either', async (t) => {
  const machine = await oldMachine(t, { version: '3.2', bind: 'crt HOME/haproxy/site.pem' });
  const { home, adopt, snapshot, own, start } = machine;
  const [file, temp] = ['site.pem', '.site.pem.pemfleet-link'].map((name) => join(home, 'haproxy', name));
  assert.ok(file !== undefined && temp !== undefined);
  writeFileSync(file, (await pki.issue({ names: ['www.example.com'] })).combined, { mode: 0o600 });
  own();
  await start();
  const old = snapshot();
  symlinkSync(join(home, 'haproxy/pemfleet/site.pem'), temp);
  own();

  const adopted = adopt('--yes');

  assert.equal(adopted.status, 0, adopted.stderr);
  assert.ok(lstatSync(file).isSymbolicLink());
  // Killed in the second run, too.
  symlinkSync(join(home, 'haproxy/pemfleet/site.pem'), temp);
  own();
  assert.equal(adopt('--undo').status, 0);
  assert.deepEqual(snapshot(), old);
});

test('--undo of a link whose certificate was renewed since: the file in its place has the group and mode by which HAProxy reads it', async (t) => {
  const home = tempDir(t);
  const [was, certs, path] = [join(home, 'was.pem'), join(home, 'certs'), join(home, 'site.pem')];
  mkdirSync(certs);
  const [old, renewal] = [
    await pki.issue({ names: ['www.example.com'] }),
    await pki.issue({ names: ['www.example.com'] }),
  ];
  writeFileSync(was, old.combined);
  writeFileSync(join(certs, 'site.pem'), renewal.combined);
  chmodSync(join(certs, 'site.pem'), 0o640);
  symlinkSync(join(certs, 'site.pem'), path);
  const { mode: target, gid } = lstatSync(join(certs, 'site.pem'));
  const { uid } = lstatSync(path);
  const serial = serialOf(old.leafPem);
  const pem = { path, link: was, name: 'site', serial, published: '', mode: 0o777, uid, gid };

  const undone = await undoAdoption({ bucket: '', pems: [pem], attributes: [], trees: [], units: [] });

  assert.deepEqual(undone.renewed, [path]);
  const { mode, gid: group } = lstatSync(path);
  assert.deepEqual([readFileSync(path, 'utf8'), mode, group], [renewal.combined, target, gid]);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith('.')),
    [],
  );
});

const serialOf = (pem: string) => new X509Certificate(pem).serialNumber;
