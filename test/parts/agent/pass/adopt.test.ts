// `pemfleet-agent adopt`: the operator gives files of other programs to the agent.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { spawnAgent } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { filesIn, makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';

test('adopt: says what the file holds, and the next pass overwrites it; its content is kept until ours is proved', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const path = join(stage.haproxy.certsDir, 'legacy.pem');
  const handmade = (await stage.pki.issue({ names: ['legacy.test'] })).combined;
  writeFileSync(path, handmade);
  const pem = await stage.publish('legacy', { names: ['legacy.test'] });
  assert.equal((await stage.pass()).code, 1);

  const dry = await stage.agent('adopt', { args: ['legacy.pem', '--dry-run'] });
  assert.match(dry.stdout, /^would adopt legacy\.pem: belongs to root, .*for legacy\.test until /);
  assert.equal((await stage.pass()).code, 1, 'nothing has changed');
  const adopted = await stage.agent('adopt', { args: [path] });
  assert.equal(adopted.code, 0, adopted.stderr);
  assert.match(
    adopted.stdout,
    /^adopted legacy\.pem: belongs to root, .*The next pass overwrites it with certificate legacy/,
  );
  assert.equal(readFileSync(path, 'utf8'), handmade, 'only the records have changed');

  // A bind that does not answer: HAProxy has ours, which is served and unproven. The old content stays, pass by pass.
  for (const round of ['installed', 'found again']) {
    assertOk(await stage.pass(['--handshake', '127.0.0.1:1']));
    assert.equal(stage.pem('legacy'), pem);
    const [kept = ''] = stage.files();
    assert.match(kept, /^\.legacy\.pem\.pemfleet-replaced-/, round);
    assert.equal(readFileSync(join(stage.haproxy.certsDir, kept), 'utf8'), handmade);
  }
  assertOk(await stage.pass(['--retry']));
  assert.equal((await stage.handshake('legacy.test')).serial, serialOf(pem));
  assert.deepEqual(stage.files(), ['legacy.pem']);
  const again = await stage.agent('adopt', { args: ['legacy.pem', '--json'] });
  assert.equal(again.code, 0);
  assert.equal(JSON.parse(again.stdout).files[0].result, 'ours');
});

test('what was adopted and never proved stays when the certificate leaves the manifest', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const handmade = (await stage.pki.issue({ names: ['legacy.test'] })).combined;
  writeFileSync(join(stage.haproxy.certsDir, 'legacy.pem'), handmade);
  await stage.publish('legacy', { names: ['legacy.test'] });
  await stage.adopt('legacy.pem');
  assertOk(await stage.pass(['--handshake', '127.0.0.1:1']));
  await stage.withdraw('legacy');

  await stage.pass();

  const [kept = '', ...others] = stage.files();
  assert.deepEqual(others, []);
  assert.equal(readFileSync(join(stage.haproxy.certsDir, kept), 'utf8'), handmade);
});

test('adopt refuses what it cannot mean, and then adopts nothing at all', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const inDirectory = (name: string) => join(stage.haproxy.certsDir, name);
  await stage.publish('legacy', { names: ['legacy.test'] });
  await stage.publish('folder', { names: ['folder.test'] });
  await stage.publish('absent', { names: ['absent.test'] });
  writeFileSync(inDirectory('legacy.pem'), 'by hand');
  mkdirSync(inDirectory('folder.pem'));
  const refusals: [string, RegExp][] = [
    ['legcay.pem', /legcay\.pem: the manifest names no such file; did you mean legacy\.pem\?/],
    ['../certs/other\u001b[2J.pem', /other \[2J\.pem: is not in \//],
    ['/etc/passwd', /\/etc\/passwd: is not in \//],
    ['folder.pem', /folder\.pem: .*is a directory: move it away/],
    ['absent.pem', /absent\.pem: there is no such file: the next pass installs it/],
  ];

  for (const [word, message] of refusals) {
    const refused = await stage.agent('adopt', { args: ['legacy.pem', word] });

    assert.equal(refused.code, 1, word);
    assert.match(refused.stdout, message);
    assert.match(refused.stdout, /nothing was adopted\n$/);
  }
  assert.match((await stage.pass()).stderr, /certificate=legacy .*code=ERR_INSTALL_NOT_OURS/);
  assert.equal((await stage.agent('adopt')).code, 64);
});

test('adopt on a host with several HAProxy: a name is meant in each, a path in its own', async (t) => {
  const stage = await makeStage(t, { version: '3.2' });
  const { certs } = makeWorkDir(t);
  const config = join(stage.dir, 'agent.yaml');
  const instances = [stage.haproxy.certsDir, certs].map((certsDir, index) => ({
    ...{ name: `i${index}`, statsSocket: stage.haproxy.socket, certsDir, handshake: [] },
  }));
  const settings = { bucket: stage.bucket.url, fleet: 'edge', host: 'lb1', stateDir: stage.stateDir };
  writeFileSync(config, JSON.stringify({ ...settings, haproxy: instances }));
  await stage.publish('legacy', { names: ['legacy.test'] });
  for (const { certsDir } of instances) writeFileSync(join(certsDir, 'legacy.pem'), 'by hand');
  const run = (...words: string[]) => spawnAgent([...words, '--config', config]);

  assert.match(
    (await run('adopt', '--dry-run', 'legacy.pem')).stdout,
    /i0\/legacy\.pem: .*\n.*i1\/legacy\.pem: /,
  );
  const one = await run('adopt', join(certs, 'legacy.pem'));
  await run('sync');

  assert.match(one.stdout, /^adopted i1\/legacy\.pem: /);
  assert.equal(readFileSync(join(stage.haproxy.certsDir, 'legacy.pem'), 'utf8'), 'by hand');
  assert.deepEqual(filesIn(certs), ['legacy.pem']);
  assert.notEqual(readFileSync(join(certs, 'legacy.pem'), 'utf8'), 'by hand');
});
