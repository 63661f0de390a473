// Through the master socket: the same work, and always with the current worker.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { connect } from 'node:net';
import { test } from 'node:test';
import { assertOk } from '../../../support/agent/assess.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

const byMaster = ({ haproxy }: Stage) => ['--stats-socket', `master@${haproxy.masterSocket}`];

for (const version of testedVersions()) {
  test(`${version}: master socket: new, renewed, refused, removed`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    await stage.publish('shop', { names: ['shop.test'] });
    await stage.publish('gone', { names: ['gone.test'] });
    assertOk(await stage.pass(byMaster(stage)));
    const pem = await stage.publish('shop', { names: ['shop.test'] });
    await stage.withdraw('gone');

    assertOk(await stage.pass(byMaster(stage)));

    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.deepEqual(stage.files(), ['shop.pem']);
    assert.doesNotMatch(await stage.haproxy.command('show ssl cert'), /gone/);
    const { combined } = await stage.pki.issue({ names: ['x.test'] });
    const file = `${stage.haproxy.certsDir}/shop.pem`;
    await stage.haproxy.command(`set ssl cert ${file} <<\n${combined}`);
    await stage.publish('shop', { names: ['shop.test'] });
    const cleared = await stage.pass(byMaster(stage));
    assertOk(cleared);
    assert.match(cleared.stderr, /event=transaction\.aborted/);
  });

  test(`${version}: a connection that lives on the old worker after a reload hides nothing: the new one is updated and proved`, async (t) => {
    const stage = await makeStage(t, { version, masterWorker: true });
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const { httpsPort, certsDir } = stage.haproxy;
    // a request that has not ended keeps the old worker alive
    const held = request({
      host: '127.0.0.1',
      port: httpsPort,
      method: 'POST',
      servername: 'shop.test',
      rejectUnauthorized: false,
    });
    held.on('error', () => undefined);
    held.write('x');
    await new Promise((resolve) => held.once('socket', (socket) => socket.once('secureConnect', resolve)));
    const oldPid = await stage.haproxy.pid();
    // an operator's session stays with the old worker, too
    const session = connect(stage.haproxy.socket, () => session.write('prompt\n'));
    await new Promise((resolve) => session.once('data', resolve));
    await stage.haproxy.reload();
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    const results = [await stage.pass(), await stage.pass(byMaster(stage))];

    for (const result of results) assertOk(result);
    assert.notEqual((await stage.status()).haproxy[0]?.pid, oldPid);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.match(
      await stage.haproxy.command(`show ssl cert ${certsDir}/shop.pem`),
      new RegExp(serialOf(pem)),
    );
    held.destroy();
    session.destroy();
  });
}
