// 1,000 renewals while visitors come and stay: nobody notices, and each certificate is proved.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IN_A_PASS } from '../../../agent/proof/pace.ts';
import { makeMany, serialIn, serialsShown, stampSet } from '../../support/agent/many.ts';
import { type Resident, startResident } from '../../support/agent/resident.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { stampedName } from '../../support/stamp.ts';
import { startTlsLoad } from '../../support/tls-load.ts';
import { shareOf } from '../../support/turn.ts';

const COUNT = 1_000;
const set = await stampSet(COUNT);

for (const version of shareOf(haproxyVersions, 4)) {
  test(`${version}: 1,000 renewals under load: no failed request, no closed connection, all proved`, async (t) => {
    const { stage, wanted, renew, stop } = await makeMany(version, set);
    let agent: Resident | undefined;
    t.after(async () => {
      await agent?.stop();
      await stop();
    });
    agent = await startResident(stage);
    const pid = await stage.haproxy.pid();
    await renew(set.pems.map((_, index) => index));
    const servernames = set.pems.map((_, index) => stampedName(index));
    const { httpsPort: port } = stage.haproxy;
    const load = await startTlsLoad({ port, servernames, newPerSecond: 30, keepAlive: 20 });

    await agent.pollAndPass();

    const { failed, closed, kept, latenciesMs } = await load.stop();
    t.diagnostic(`${latenciesMs.length} new connections, ${kept} requests on kept ones`);
    assert.deepEqual([failed, closed], [[], 0]);
    assert.ok(latenciesMs.length > 0 && kept > 0);
    assert.equal(await stage.haproxy.pid(), pid);
    const { files } = await stage.status();
    const serials = wanted.map(serialIn);
    assert.deepEqual(
      files.map(({ state, runtime }) => [state, runtime?.serial]),
      serials.map((serial) => ['served', serial]),
    );
    // by a handshake after the renewal
    assert.ok(files.every(({ handshakes }) => handshakes?.[0] === `127.0.0.1:${port}`));
    // The first pass proves some of what was there, the next one all that it has renewed.
    assert.equal(agent.log().split('event=certificate.proven').length - 1, IN_A_PASS + COUNT);
    assert.deepEqual([...(await serialsShown(stage, COUNT)).values()], serials);
  });
}
