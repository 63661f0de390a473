// What happened to somebody, row by row; see order-rows.ts and other-rows.ts.
import { after, before, describe, test } from 'node:test';
import { withRoot } from '../../support/hostile-ca/chains.ts';
import { drive } from './drive.ts';
import { orderRows } from './order-rows.ts';
import { otherRows } from './other-rows.ts';
import { type IssuingStage, startIssuingStage } from './stage.ts';

let stage: IssuingStage;
before(async () => {
  stage = await startIssuingStage({ chainLength: 2 });
});
after(() => stage.stop());

describe('a hostile CA', { concurrency: 3 }, () => {
  for (const row of [...orderRows, ...otherRows]) test(row.name, () => drive(stage, row));

  test('certificate: with the root, which is left out', async () => {
    const fault = withRoot(await stage.pebble.rootPem());
    await drive(stage, { name: '', spoil: (ca) => ca.fault('certificate', fault), code: 'issued' });
  });
});
