// What adopt makes of files beside others, and of certificates that stand in no file: HAProxy's own answer counts.
import assert from 'node:assert/strict';
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { certificateName, fleetName } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { planPresent, publishPresent } from '../../../../lambda/import/publish.ts';
import { openSigningKey } from '../../../../lambda/signing/signing-key.ts';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';

const CA = 'https://ca.test/directory';
const fleet = fleetName.parse('default');
let pki: Pki;
before(async () => {
  pki = await createPki();
});

/** Runtime commands, each over a connection of its own. */
function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(socket, function (this: import('node:net').Socket) {
      this.end(command);
    })
      .on('data', (text) => {
        answer += text;
      })
      .on('error', reject)
      .on('close', () => resolve(answer));
  });
}

test('a PEM beside haproxy.cfg becomes a link to a directory of the agent: its renewal is served by the name that the bind has, --undo brings the file back', async (t) => {
  const machine = await oldMachine(t, { version: '3.2', bind: 'crt HOME/haproxy/site.pem' });
  const { home, adopt, agent, visit, snapshot } = machine;
  const [file, caFile] = [join(home, 'haproxy/site.pem'), join(home, 'ca.pem')];
  writeFileSync(file, (await pki.issue({ names: ['www.example.com'] })).combined, { mode: 0o600 });
  writeFileSync(caFile, pki.rootPem);
  machine.own();
  await machine.start();
  const old = snapshot();

  const adopted = adopt('--ca', CA, '--ca-file', caFile, '--yes');
  assert.equal(adopted.status, 0, adopted.stderr);
  assert.match(adopted.stdout, /holds other files than certificates: the agent gets \S+haproxy\/pemfleet/);
  const renewal = await pki.issue({ names: ['www.example.com'] });
  await publish(`file://${home}/bucket`, 'site', renewal.combined);
  machine.own();
  const before = await visit('www.example.com');
  const synced = agent('sync');

  assert.equal(synced.status, 0, synced.stderr);
  assert.notEqual(await visit('www.example.com'), before);
  assert.ok(lstatSync(file).isSymbolicLink());
  assert.equal(readFileSync(file, 'utf8'), renewal.combined);
  const undone = adopt('--undo');
  assert.equal(undone.status, 0, undone.stderr);
  assert.match(undone.stdout, /site\.pem keeps its certificate, which pemfleet has renewed since/);
  assert.deepEqual([lstatSync(file).isFile(), readFileSync(file, 'utf8')], [true, renewal.combined]);
  assert.equal(snapshot().get('/haproxy/haproxy.cfg'), old.get('/haproxy/haproxy.cfg'));
});

async function publish(url: string, name: string, text: string): Promise<void> {
  const bucket = await openBucket(url, 'write');
  const signing = await openSigningKey(bucket, { fleets: [fleet] });
  const source = { bucket, signing, now: () => new Date(), log: () => undefined };
  const issued = { directoryUrl: CA, accountUrl: CA };
  const present = { name: certificateName.parse(name), fleets: [fleet], texts: [text], issued };
  await publishPresent(source, await planPresent(source, present));
}

for (const version of ['3.0', '3.2'] as const) {
  const takes = version === '3.2' ? 'takes it from HAProxy' : 'names it, and adopts the others';
  test(`HAProxy ${version} serves what stands in no file: adopt ${takes}`, async (t) => {
    const machine = await oldMachine(t, { version });
    const { certs, home, adopt, agent, visit, snapshot, socket } = machine;
    for (const name of ['www', 'shop']) {
      const { combined } = await pki.issue({ names: [`${name}.example.com`] });
      writeFileSync(join(certs, `${name}.pem`), combined, { mode: 0o600 });
    }
    writeFileSync(join(home, 'ca.pem'), pki.rootPem);
    machine.own();
    await machine.start();
    const file = join(certs, 'www.pem');
    const hot = await pki.issue({ names: ['www.example.com'] });
    await ask(socket, `set ssl cert ${file} <<\n${hot.combined}\n`);
    assert.match(await ask(socket, `commit ssl cert ${file}\n`), /Success!/);
    const [old, serves] = [snapshot(), await visit('www.example.com')];

    const words = ['--from', 'haproxy', '--ca', CA, '--ca-file', join(home, 'ca.pem'), '--yes', '--json'];
    const adopted = adopt(...words);

    assert.equal(adopted.status, 0, adopted.stderr);
    const { certificates, leftOut } = JSON.parse(adopted.stdout);
    const names = certificates.map(({ name }: { name: string }) => name);
    if (version === '3.2') {
      assert.deepEqual([names, leftOut], [['shop', 'www'], []]);
      assert.equal(readFileSync(file, 'utf8'), hot.combined);
    } else {
      assert.deepEqual([names, leftOut.map((one: { file: string }) => one.file)], [['shop'], [file]]);
      assert.match(leftOut[0].why, /stands in no file.*before 3\.2 does not show its key: reload HAProxy/);
    }
    assert.equal(agent('sync').status, 0);
    assert.equal(await visit('www.example.com'), serves);
    // Typed twice: --undo takes both runs back.
    assert.equal(adopt(...words).status, 0);
    assert.equal(adopt('--undo').status, 0);
    assert.deepEqual(snapshot(), old);
  });
}

test('certificates that share a name: visitors get what they got, also after a pass of the agent, whose rule would serve another one', async (t) => {
  const machine = await oldMachine(t, { version: '3.0' });
  const { certs, home, adopt, agent, visit } = machine;
  const [today, before] = [new Date(), new Date(Date.now() - 86_400_000)];
  const made = {
    'a-wild': { names: ['example.com', '*.example.com'], notBefore: before },
    www: { names: ['example.com', 'www.example.com'], notBefore: today },
    // Issued at once: HAProxy and the agent go by the name of the file.
    one: { names: ['shop.test', 'one.test'], notBefore: before },
    two: { names: ['shop.test', 'two.test'], notBefore: before },
  };
  for (const [name, options] of Object.entries(made)) {
    writeFileSync(join(certs, `${name}.pem`), (await pki.issue(options)).combined, { mode: 0o600 });
  }
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  machine.own();
  await machine.start();
  const names = ['example.com', 'www.example.com', 'x.example.com', 'shop.test', 'two.test'];
  const views = () => Promise.all(names.map(visit));
  const old = await views();

  const adopted = adopt('--ca', CA, '--ca-file', join(home, 'ca.pem'), '--yes');

  assert.equal(adopted.status, 0, adopted.stderr);
  const synced = agent('sync');
  assert.equal(synced.status, 0, synced.stderr);
  assert.deepEqual(await views(), old);
  assert.match(
    adopted.stdout,
    /not \S+a-wild\.pem: HAProxy serves \S+a-wild\.pem for example\.com, and the agent would serve \S+www\.pem/,
  );
  assert.match(synced.stderr, /served=2 failed=0/);
});

test('nothing that HAProxy serves can be adopted: each file is named with what to do, nothing is changed', async (t) => {
  const machine = await oldMachine(t, { version: '3.0', bind: 'crt HOME/haproxy/certs' });
  const { certs, adopt, snapshot, home } = machine;
  const { combined, leafPem, keyPem } = await pki.issue({ names: ['www.example.com'] });
  writeFileSync(join(certs, 'Site.pem'), combined);
  writeFileSync(join(certs, 'bare.pem'), leafPem + keyPem);
  writeFileSync(join(certs, 'site.crt'), combined);
  machine.own();
  const old = snapshot();

  const { status, stdout, stderr } = adopt('--ca', CA, '--yes');

  assert.equal(status, 1, stdout);
  assert.match(stdout, /not \S+Site\.pem: its name is none that the agent writes/);
  assert.match(
    stdout,
    /not \S+bare\.pem: the intermediate certificate is missing: .*: put the intermediates/,
  );
  assert.match(stdout, /not \S+site\.crt: its name does not end with \.pem.*rename it to site\.pem/);
  assert.match(stderr, /none that can be adopted: each line above says what to do; nothing was changed/);
  assert.deepEqual(snapshot(), old);
  assert.equal(adopt('--undo').stdout, 'nothing to undo: no run of adopt is on record\n', home);
});
