/** A manifest that nobody signs anew is told, also while what is published cannot be read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { Agent } from '../../../../agent/agent.ts';
import { pollOrKeep } from '../../../../agent/pass/poll.ts';
import { newTrust } from '../../../../agent/trust/record.ts';
import { signedRoot, stageSigner } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const late = after(noon, 3 * DAY_MS);

/** Conditions of a host whose last good manifest is of noon. */
async function conditionsWith(bucket: object) {
  const signedAt = noon.toISOString();
  const text = signedRoot(emptyManifest(fleet, noon), { fleet, signedAt });
  const { manifest, head, key } = parseRoot(fleet, Buffer.from(text));
  const trust = newTrust({ lineage: manifest.lineage, key }, true);
  const config = { fleet, trust: {}, stateDir: '' };
  const agent = { config, openBucket: async () => bucket, now: () => late } as unknown as Agent;
  const stored = { fleet, etag: '"old"', body: text, manifest, head };
  const { error, conditions } = await pollOrKeep(agent, {
    manifest: stored,
    saved: trust,
    blank: undefined,
    trust,
    receipts: [],
  });
  assert.equal(key, stageSigner.key);
  const messages = conditions.map(({ saw }) => saw);
  return { code: error?.code, conditions: conditions.map(({ condition }) => condition), messages };
}

/** A store that answers with its own Date each time. */
function dated(bucket: object, storeTime: Date): object {
  const store = Object.assign(Object.create(bucket) as { get: (key: string) => Promise<unknown> }, {
    answeredAt: undefined as Date | undefined,
  });
  const get = store.get.bind(bucket);
  store.get = (key) => {
    store.answeredAt = new Date(storeTime);
    return get(key);
  };
  return store;
}

// Field D: clock -1 d, clock +100 d. This host's clock says `late`.
for (const [says, storeTime, saw] of [
  ['a day behind', after(late, DAY_MS), '24 h behind'],
  ['100 days ahead', after(late, -100 * DAY_MS), '100 days ahead'],
  ['half a minute ahead', after(late, -30_000), undefined],
] as const) {
  test(`a host whose clock is ${says} of the store's ${saw === undefined ? 'says nothing of it' : 'says by how much'}`, async () => {
    const { conditions, messages } = await conditionsWith(dated(await spoilt(), storeTime));

    assert.equal(conditions.includes('clock-off'), saw !== undefined);
    const isSaid = messages.some((text) => text.includes(`clock is ${saw} of the store's`));
    assert.equal(isSaid, saw !== undefined);
  });
}

async function spoilt() {
  const bucket = memoryBucket(() => late);
  await bucket.put(layout.root(fleet), '{}');
  return bucket;
}

test('a spoilt root for weeks: frozen-manifest stays, by the clock of the store or of a directory’s machine', async () => {
  const [s3, directory] = [await spoilt(), await spoilt()];

  const withDate = await conditionsWith(Object.assign(Object.create(s3), { answeredAt: late }));
  const early = await conditionsWith(Object.assign(Object.create(s3), { answeredAt: noon }));
  const without = await conditionsWith(Object.assign(Object.create(directory), { url: 'file:///certs/' }));

  const code = 'ERR_MANIFEST_SIGNATURE';
  assert.deepEqual([withDate.code, withDate.conditions], [code, ['frozen-manifest']]);
  assert.deepEqual([early.code, early.conditions], [code, []], 'the clock of this host is not asked');
  assert.deepEqual([without.code, without.conditions], [code, ['frozen-manifest']]);
});

test('a store that has not answered has no clock', async () => {
  const get = () => Promise.reject(new BucketError('ERR_BUCKET_UNREACHABLE', 's3://certs', 'out of reach'));

  assert.deepEqual(await conditionsWith({ url: 's3://certs/', get }), {
    code: 'ERR_BUCKET_UNREACHABLE',
    ...{ conditions: [], messages: [] },
  });
});
