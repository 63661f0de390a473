// adopt of a crt-list whose lines have options and SNI filters: visitors get what they got, also after a pass of the agent.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki } from '../../../support/parts/pki.ts';

test('SNI filters of a crt-list: what they serve for all of its names is adopted, what they leave a name of is named', async (t) => {
  const pki = await createPki();
  const bind = 'crt-list HOME/haproxy/certs/crt-list.txt strict-sni';
  const machine = await oldMachine(t, { version: '3.2', bind });
  const { certs, home, adopt, agent, visit } = machine;
  const rows: [file: string, tail: string, names: string[]][] = [
    ['wild', ' *.example.com !b.example.com', ['example.com', '*.example.com']],
    ['half', ' [alpn h2] half.test', ['half.test', 'www.half.test']],
    ['full', ' [alpn h2] FULL.test *.full.test', ['full.test', 'www.full.test']],
    ['plain', '', ['plain.test', 'www.plain.test']],
    ['not', ' *.not.test !www.not.test', ['www.not.test']],
  ];
  for (const [name, , names] of rows) {
    writeFileSync(join(certs, `${name}.pem`), (await pki.issue({ names })).combined, { mode: 0o600 });
  }
  const lines = rows.map(([name, tail]) => `${certs}/${name}.pem${tail}\n`);
  writeFileSync(join(certs, 'crt-list.txt'), `# by hand\n${lines.join('')}`);
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  machine.own();
  await machine.start();
  const asked = ['x.example.com', ...rows.flatMap(([, , names]) => names)];
  const views = () => Promise.all(asked.map(visit));
  const old = await views();

  const words = ['--ca', 'https://ca.test/directory', '--ca-file', join(home, 'ca.pem')];
  const adopted = adopt(...words, '--yes', '--json');

  assert.equal(adopted.status, 0, adopted.stderr);
  const { certificates, leftOut } = JSON.parse(adopted.stdout);
  assert.deepEqual(certificates.map(({ name }: { name: string }) => name).sort(), ['full', 'plain']);
  const whys = leftOut.map(({ why }: { why: string }) => /does not serve it for (\S+),/.exec(why)?.[1]);
  assert.deepEqual(whys, ['example.com', 'www.half.test', 'www.not.test']);
  const synced = agent('sync');
  assert.equal(synced.status, 0, synced.stderr);
  assert.match(synced.stderr, /served=2 failed=0/);
  assert.deepEqual(await views(), old);
});
