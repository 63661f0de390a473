/** Two hundred random operations, a share with each version, other ones each time; a failure names its seed, and `npm run campaign -- --seed S` replays it. */
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { runCampaign } from '../../support/proof/campaign/campaign.ts';

const OPERATIONS = 200 / haproxyVersions.length;
const KEY_OPERATIONS = 30;

for (const version of haproxyVersions) {
  test(`${version}: a campaign of ${OPERATIONS} operations`, async (t) => {
    const seed = randomInt(1_000_000);
    const { handshakes } = await runCampaign({ version, seed, operations: OPERATIONS });
    t.diagnostic(`seed ${seed}: ${handshakes} handshakes`);
  });
}

test(`3.2: a campaign of ${KEY_OPERATIONS} operations, most of them about keys`, async (t) => {
  const seed = randomInt(1_000_000);
  const { handshakes } = await runCampaign({
    ...{ version: '3.2', seed, operations: KEY_OPERATIONS, profile: 'keys' },
  });
  t.diagnostic(`seed ${seed}, profile keys: ${handshakes} handshakes`);
});
