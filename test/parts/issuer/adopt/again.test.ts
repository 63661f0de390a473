// adopt typed again, and --undo after what happens in between: what is in force stays, and nothing that was ended comes back.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { typeWithoutUser } from '../../../support/as-root.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';

const CA = 'https://ca.test/directory';
let pki: Pki;
before(async () => {
  pki = await createPki();
});

test('typed again without --ca nothing changes, other options are refused, a new file comes to what is in force; a stolen key does not come back by --undo', async (t) => {
  const machine = await oldMachine(t, { version: '3.2' });
  const { certs, home, adopt, agent, pemfleet, snapshot, configFile, own } = machine;
  const put = async (name: string) => {
    const { combined, keyPem, leafPem, chainPem } = await pki.issue({ names: [`${name}.example.com`] });
    // Not in the form of the agent.
    const text = `${keyPem}\n${leafPem}${chainPem.join('')}`;
    writeFileSync(join(certs, `${name}.pem`), name === 'mail' ? combined : text, { mode: 0o600 });
    own();
  };
  for (const name of ['www', 'shop']) await put(name);
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  own();
  const haproxy = await machine.start();
  const old = snapshot();
  const adopted = adopt('--ca', CA, '--ca-file', join(home, 'ca.pem'), '--yes');
  assert.equal(adopted.status, 0, adopted.stderr);
  const there = snapshot();
  const text = readFileSync(configFile, 'utf8');

  const again = adopt('--yes');
  assert.deepEqual([again.status, snapshot()], [0, there], again.stderr);
  assert.match(again.stdout, /^already adopted: all that can be is in \S+; nothing was changed$/m);
  const other = adopt('--ca', 'letsencrypt', '--yes');
  assert.deepEqual([other.status, snapshot()], [1, there], other.stdout);
  assert.match(
    other.stderr,
    /^wanted --ca letsencrypt, and other settings are in force: edit \S+pemfleet\.yaml/,
  );

  await put('mail');
  await haproxy.stop();
  await machine.start();
  writeFileSync(configFile, text.replace('# Each name', '# Mine. Each name'));
  own();
  const more = adopt('--yes');
  assert.equal(more.status, 0, more.stderr);
  const longer = readFileSync(configFile, 'utf8');
  const [first, added] = [longer.slice(0, text.length + 6), longer.slice(text.length + 6)];
  assert.equal(first, text.replace('# Each name', '# Mine. Each name'));
  assert.match(added, /^ {2}# \S+mail\.pem\n {2}- name: "mail"\n.*\n {4}imported: true/);

  // As an operator ends it: first out of pemfleet.yaml.
  writeFileSync(configFile, longer.replace(/ {2}# \S+shop\.pem\n {2}- name: "?shop"?\n( {4}.*\n)+/, ''));
  own();
  const synced = agent('sync');
  assert.equal(synced.status, 0, synced.stderr);
  const copies = () => readdirSync(certs).filter((name) => name.includes('.pemfleet-replaced-'));
  assert.equal(copies().length, 3);
  const withdrawn = pemfleet('withdraw', 'shop', '--stolen');
  assert.equal(withdrawn.status, 0, withdrawn.stderr);
  assert.match(
    adopt('--undo', '--dry-run').stdout,
    /shop\.pem is not put back, and stays as it is now: its key is/,
  );
  const obeyed = agent('sync');
  assert.equal(obeyed.status, 0, obeyed.stderr);
  assert.deepEqual([copies().length, copies().some((name) => name.includes('shop'))], [2, false]);
  const undone = adopt('--undo');

  assert.equal(undone.status, 1, undone.stdout);
  assert.match(undone.stdout, /shop\.pem is not put back: its key is stolen, as was said at 20/);
  assert.match(undone.stdout, /pemfleet\.yaml was changed since: it is kept as \S+pemfleet\.yaml\.kept/);
  const [now, mail] = [snapshot(), '/haproxy/certs/mail.pem'];
  const gone = [...old.keys()].filter((name) => now.get(name) !== old.get(name));
  assert.deepEqual(gone, ['/haproxy/certs/shop.pem']);
  const stays = [...now.keys()].filter((name) => !old.has(name) && !name.startsWith('/bucket'));
  assert.deepEqual(stays, ['/etc/pemfleet.yaml.kept', mail]);
  assert.ok(existsSync(join(home, 'bucket')));
});

test('what names nothing is no success: a --dir from which HAProxy loads nothing, a --ca for what stays imported, or for what another client has obtained', async (t) => {
  const machine = await oldMachine(t, { version: '3.2' });
  const { certs, home, adopt, own, snapshot } = machine;
  const { combined } = await pki.issue({ names: ['www.example.com'] });
  for (const file of [join(certs, 'www.pem'), join(home, 'fullchain.pem')]) writeFileSync(file, combined);
  const certbot = join(home, 'letsencrypt');
  mkdirSync(join(certbot, 'renewal'), { recursive: true });
  const lineage = `fullchain = ${home}/fullchain.pem\nprivkey = ${home}/fullchain.pem\n[renewalparams]\nserver = ${CA}\n`;
  writeFileSync(join(certbot, 'renewal/www.conf'), lineage);
  own();
  await machine.start();
  const nowhere = ['--from', 'directory', '--dir', join(home, 'nowhere'), '--yes'];
  const refused =
    /^wanted certificates that HAProxy loads from \S+nowhere \(--dir\), saw that it loads files of \S+certs: /;
  const old = snapshot();
  const first = adopt(...nowhere);
  assert.deepEqual([first.status, snapshot()], [1, old], first.stdout);
  assert.match(first.stderr, refused);
  const unheard = adopt('--from', 'certbot', '--dir', certbot, '--ca', 'letsencrypt', '--yes');
  assert.deepEqual([unheard.status, snapshot()], [1, old], unheard.stdout);
  assert.match(
    unheard.stderr,
    /^wanted --ca letsencrypt for what no other client has obtained, saw that certbot has obtained all of it/,
  );
  assert.equal(adopt('--yes').status, 0);
  const there = snapshot();

  const again = adopt(...nowhere);
  const ca = adopt('--ca', 'letsencrypt', '--yes');

  assert.deepEqual([again.status, ca.status, snapshot()], [1, 1, there], again.stdout + ca.stdout);
  assert.match(again.stderr, refused);
  assert.match(
    ca.stderr,
    /^wanted --ca letsencrypt, and all .* where www stay imported: take "imported: true" out there, and letsencrypt renews/,
  );
});

test('a certificate that was withdrawn and stands in its file still is left out with the reason, and keeps no other back', async (t) => {
  const machine = await oldMachine(t, { version: '3.2' });
  const { certs, home, adopt, pemfleet, configFile, own } = machine;
  const put = async (name: string) => {
    const { combined } = await pki.issue({ names: [`${name}.example.com`] });
    writeFileSync(join(certs, `${name}.pem`), combined, { mode: 0o600 });
    own();
  };
  await put('shop');
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  own();
  const haproxy = await machine.start();
  const first = adopt('--ca', CA, '--ca-file', join(home, 'ca.pem'), '--yes');
  assert.equal(first.status, 0, first.stderr);
  writeFileSync(
    configFile,
    `${readFileSync(configFile, 'utf8').replace(/certificates:\n[\s\S]*/, '')}certificates:\n  - name: other\n    identifiers: [other.example.com]\n`,
  );
  own();
  const withdrawn = pemfleet('withdraw', 'shop', '--yes');
  assert.equal(withdrawn.status, 0, withdrawn.stderr);
  await put('mail');
  await haproxy.stop();
  await machine.start();

  const adopted = adopt('--yes');

  assert.equal(adopted.status, 0, adopted.stderr);
  assert.match(adopted.stdout, /^ {2}not \S+shop\.pem: shop: \S+ was withdrawn at .* and never comes back/m);
  assert.match(adopted.stdout, /^published 1 certificates .*; 1 files of HAProxy/m);
  assert.match(adopt('--yes').stdout, /not \S+shop\.pem: shop:[\s\S]*already adopted: all that can be/);
});

test('a dry run is refused where the real one is: the system user is missing', async (t) => {
  const machine = await oldMachine(t, { version: '3.2' });
  writeFileSync(join(machine.certs, 'www.pem'), (await pki.issue({ names: ['www.example.com'] })).combined);
  const before = machine.snapshot();
  const [dry, real] = ['--dry-run', '--yes'].map((word) => {
    const words = machine.adoptWords('--ca', CA, word);
    const start = words.indexOf('env');
    return typeWithoutUser(t, words.slice(start));
  });

  assert.equal(real?.status, 1, real?.stdout);
  assert.match(real?.stderr ?? '', /^wanted the system user pemfleet.*useradd --system/);
  assert.deepEqual([dry?.status, dry?.stderr], [real?.status, real?.stderr]);
  assert.deepEqual(machine.snapshot(), before);
});
