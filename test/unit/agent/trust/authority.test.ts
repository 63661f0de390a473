/** When a host asks the parameter that names its issuer's key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContractError } from '#contract/errors.ts';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import { decideByAuthority } from '../../../../agent/trust/authority.ts';
import { conditionsOf } from '../../../../agent/trust/conditions.ts';
import { newTrust, type PinnedTrust } from '../../../../agent/trust/record.ts';
import { signedRoot } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const [issuer, attacker] = [signerOf(generatePrivateKey()), signerOf(generatePrivateKey())];

/** A host that has had a root of `first`, and meets it again. */
async function decide(first: Signer, isConfirmed: boolean, parameter: () => Promise<PinnedTrust>) {
  const root = parseRoot(fleet, Buffer.from(signedRoot(emptyManifest(fleet, noon), { fleet }, first)));
  const trust = newTrust({ lineage: root.manifest.lineage, key: first.key }, isConfirmed);
  let requests = 0;
  const readParameter = () => {
    requests += 1;
    return parameter();
  };
  const authority = {
    ...{
      fleet,
      pinned: undefined,
      trust: { ...trust, keysReadAt: noon.toISOString() },
      floors: [],
      receipts: [],
      now: noon,
    },
    ...{ reader: { bucket: memoryBucket(), reads: new Map() }, readParameter },
  };
  const decision = await decideByAuthority(authority, root, false);
  return { decision, requests };
}

const says = async (): Promise<PinnedTrust> => ({ key: issuer.key });
const fails = () => Promise.reject(new ContractError('ERR_TRUST_PARAMETER', layout.root(fleet), 'no answer'));

test('a key of the first contact that the parameter names is confirmed; one that it does not name is left', async () => {
  const same = await decide(issuer, false, says);
  const other = await decide(attacker, false, says);

  assert.deepEqual(
    [same.decision.kind, same.decision.trust?.isConfirmed, same.requests],
    ['accept', true, 1],
  );
  const { kind, trust } = other.decision;
  assert.deepEqual([kind, trust?.trusted.key, trust?.isConfirmed], ['keep', issuer.key, true]);
});

test('a confirmed key needs no parameter', async () => {
  const { decision, requests } = await decide(issuer, true, fails);

  assert.deepEqual([decision.kind, requests], ['accept', 0]);
});

test('a parameter that cannot be read changes no decision, and is told', async () => {
  const { decision } = await decide(issuer, false, fails);

  assert.deepEqual([decision.kind, decision.trust?.isConfirmed], ['accept', false]);
  const { trust, parameterError } = decision;
  const facts = { manifest: undefined, refusal: undefined, storeTime: undefined };
  const [condition] = conditionsOf({ ...facts, trust, parameterError });
  assert.equal(condition?.condition, 'key-unverified');
  assert.match(condition?.saw ?? '', /the parameter cannot be read: ERR_TRUST_PARAMETER/);
});

test('a recovery key is known with the next root after its statement, and not only when it is needed', async () => {
  const [recovery, bucket] = [signerOf(generatePrivateKey()), memoryBucket()];
  const root = parseRoot(fleet, Buffer.from(signedRoot(emptyManifest(fleet, noon), { fleet }, issuer)));
  const { lineage } = root.manifest;
  const claims = { lineage, number: 1, key: issuer.key, recoveryKey: recovery.key, at: noon.toISOString() };
  await bucket.put(layout.keys(fleet), serializeKeys([signKeyStatement(issuer, claims)]));
  const trust = { ...newTrust({ lineage, key: issuer.key }, true), keysReadAt: noon.toISOString() };
  const reader = { bucket, reads: new Map() };
  const known = { fleet, trust, pinned: undefined, floors: [], receipts: [] };
  const authority = { ...known, now: noon, reader, readParameter: undefined };

  const decision = await decideByAuthority(authority, root, true);

  assert.equal(decision.trust?.trusted.recoveryKey, recovery.key);
});
