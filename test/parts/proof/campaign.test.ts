/** Thirty random operations on five hosts, the same ones each time. More of them: long/proof, and `npm run campaign`. */
import { test } from 'node:test';
import { runCampaign } from '../../support/proof/campaign/campaign.ts';

const SEED = 1;
const OPERATIONS = 30;

test('a campaign of 30 operations: no name is ever without a valid certificate, and at the end all agree', async (t) => {
  const { handshakes } = await runCampaign({ version: '3.2', seed: SEED, operations: OPERATIONS });
  t.diagnostic(`seed ${SEED}: ${OPERATIONS} operations, ${handshakes} handshakes`);
});
