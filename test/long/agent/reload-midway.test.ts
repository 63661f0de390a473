// 10,000 certificates, 1,000 renewals, and HAProxy is reloaded in the middle: what it has read too early is found and mended.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileStem, makeMany, serialIn, serialsShown, stampSet } from '../../support/agent/many.ts';
import { type Resident, startResident } from '../../support/agent/resident.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { stampedName } from '../../support/stamp.ts';
import { shareOf } from '../../support/turn.ts';

const COUNT = 10_000;
const RENEWED = 1_000;
const set = await stampSet(COUNT);
const everyTenth = Array.from({ length: RENEWED }, (_, index) => (index * COUNT) / RENEWED);

for (const version of shareOf(haproxyVersions, 4)) {
  test(`${version}: a reload in the middle of 1,000 renewals among 10,000 certificates: nothing is lost`, async (t) => {
    const { stage, wanted, renew, stop } = await makeMany(version, set);
    let agent: Resident | undefined;
    t.after(async () => {
      await agent?.stop();
      await stop();
    });
    const { haproxy } = stage;
    // 10,000 proofs would take longer than all the rest
    agent = await startResident(stage, ['--handshake', '']);
    await renew(everyTenth);

    const pass = agent.pollAndPass();
    await agent.said('event=certificate.loaded', RENEWED / 3);
    await haproxy.reload();
    await pass;
    const pid = await haproxy.pid();
    const loadedBefore = agent.log().split('event=certificate.loaded').length - 1;
    // Where the pass was over before the new worker came, the next poll sees its Pid.
    if ((await stage.status()).haproxy[0]?.pid !== pid) await agent.pollAndPass();

    const loaded = agent.log().split('event=certificate.loaded').length - 1;
    t.diagnostic(`${loadedBefore} loaded, ${loaded} after the next poll`);
    const status = await stage.status();
    assert.deepEqual([status.haproxy[0]?.pid, status.error], [pid, undefined]);
    // A report leaves served files out to stay below 1 MiB.
    assert.deepEqual([status.files, status.unlisted], [[], { served: COUNT }]);
    const names = wanted.map((_, index) => `${fileStem(index)}.pem`);
    assert.deepEqual(stage.files(), names);
    const shown = await serialsShown(stage, COUNT);
    for (const [index, pem] of wanted.entries()) {
      const path = join(haproxy.certsDir, names[index] as string);
      assert.equal(shown.get(path), serialIn(pem), path);
      assert.equal(readFileSync(path, 'utf8'), pem);
    }
    assert.notEqual(wanted[0], set.pems[0]);
    assert.equal(wanted[1], set.pems[1]);
    for (const index of everyTenth.filter((_, nth) => nth % 10 === 0)) {
      assert.equal(
        (await stage.handshake(stampedName(index))).serial,
        serialIn(wanted[index] as string),
        'on the wire',
      );
    }
  });
}
