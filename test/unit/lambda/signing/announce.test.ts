/** When the parameter of hosts gets today's key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Signer } from '#contract/statement.ts';
import { announceKey } from '../../../../lambda/signing/announce.ts';
import type { Signing } from '../../../../lambda/signing/signing-key.ts';
import type { TrustParameter } from '../../../../lambda/signing/trust-parameter.ts';
import { signedRoot } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { madeUpSigning } from '../../../support/issuer/signing.ts';

const other = fleetName.parse('evil');
const [today, earlier, stranger] = [madeUpSigning(), madeUpSigning(), madeUpSigning()];
const signing: Signing = { ...today, isOurs: (key) => [today, earlier].some((one) => one.isOurs(key)) };

async function writesWith(signer: Signer): Promise<number> {
  const bucket = memoryBucket();
  const roots = [
    [fleet, today.signer],
    [other, signer],
  ] as const;
  for (const [of, by] of roots) {
    await bucket.put(layout.root(of), signedRoot({ ...emptyManifest(of, noon) }, { fleet: of }, by));
  }
  let writes = 0;
  const write = async () => {
    writes += 1;
  };
  const parameter = { write } as unknown as TrustParameter;
  await announceKey(parameter, {}, signing, { bucket, fleets: [fleet, other] });
  return writes;
}

test('a root of an earlier key of ours keeps today’s out of the parameter; a stranger’s root does not', async () => {
  assert.deepEqual(
    [await writesWith(earlier.signer), await writesWith(stranger.signer), await writesWith(today.signer)],
    [0, 1, 1],
  );
});
