/** The mass revocation of 10,000 certificates: replaced within a day, and the drill says so before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { drillAt } from '../../../lambda/drill/drill.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { noon } from '../../support/clock.ts';
import { manyPublished, massConfig } from '../../support/issuer/mass.ts';
import { replaceMany } from './mass-replacement.ts';

const OTHER_CA = 'https://other.test/dir';

/** What is to be replaced waits for nothing but the CA: where the CA counts it, some orders find out that it refuses them. */
for (const [says, count, from, mostHours, mostRefusals] of [
  ["10,000 of Let's Encrypt", 10_000, undefined, 24, 0],
  ["1,000 of another CA, which Let's Encrypt counts", 1000, OTHER_CA, 24, 20],
] as const) {
  test(`${says}: all are replaced within ${mostHours} h, none twice, and the drill agrees within 10 %`, (t) => {
    const config = massConfig();
    const certificates = manyPublished(config, count, { ...(from && { directoryUrl: from }) });
    const caState = { version: 1 as const, cas: {}, sets: {} };
    const input = { config, bucket: memoryBucket(), certificates, windows: new Map(), caState, from: noon };

    const drill = drillAt(config.acme, input);
    const real = replaceMany({ config, certificates, from: noon, killed: 3 });

    const hours = ((drill.lastAt?.getTime() ?? 0) - noon.getTime()) / HOUR_MS;
    t.diagnostic(
      `drill ${hours.toFixed(2)} h, simulation ${real.hours.toFixed(2)} h, ${real.refusals} refusals`,
    );
    assert.equal(drill.replaced, count);
    assert.ok(real.hours <= mostHours, `${real.hours} h`);
    assert.ok(Math.abs(hours / real.hours - 1) <= 0.1, `drill ${hours} h, simulation ${real.hours} h`);
    assert.equal(real.twice, 0);
    assert.ok(real.refusals <= mostRefusals, `the CA had to refuse ${real.refusals} orders`);
  });
}
