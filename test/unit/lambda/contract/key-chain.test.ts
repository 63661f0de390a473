/** From the key that a reader trusts to today's: rotations, recovery, and what a thief can write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  followKeys,
  parseKeys,
  serializeKeys,
  signKeyStatement,
  type TrustedKey,
} from '#contract/key-chain.ts';
import { fleetName } from '#contract/layout.ts';
import { generatePrivateKey, type PublicKey, type Signer, signerOf } from '#contract/statement.ts';

const newSigner = () => signerOf(generatePrivateKey());
const [first, second, third, recovery, thief] = Array.from({ length: 5 }, newSigner) as [
  Signer,
  Signer,
  Signer,
  Signer,
  Signer,
];

interface Words {
  lineage?: string;
  recoveryKey?: PublicKey;
}

const says = (signer: Signer, number: number, next: Signer, { lineage = 'ours', ...rest }: Words = {}) =>
  signKeyStatement(signer, { lineage, number, key: next.key, at: '2026-11-27T09:00:00.000Z', ...rest });

const given: TrustedKey = { lineage: 'ours', key: first.key, number: 0, recoveredAt: 0 };
const withRecovery: TrustedKey = { ...given, recoveryKey: recovery.key };
const follow = (statements: string[], from = withRecovery) => followKeys(statements, from).key;

test('no statement: the key that was given stays', () => {
  assert.deepEqual(followKeys([], given), given);
});

test('two rotations are followed, in whatever order they stand', () => {
  const statements = [says(second, 2, third), says(first, 1, second)];

  assert.equal(follow(statements), third.key);
});

test('the first key names the recovery key, and with it the lineage where none is known', () => {
  const { lineage: _, ...bare } = given;

  const trusted = followKeys([says(first, 1, first, { recoveryKey: recovery.key })], bare);

  assert.deepEqual([trusted.lineage, trusted.key, trusted.recoveryKey], ['ours', first.key, recovery.key]);
});

test('the recovery key names a new key, whatever the lost one said', () => {
  const statements = [says(first, 1, second), says(recovery, 2, third)];

  assert.equal(follow(statements), third.key);
});

test('a thief of the key names one of his own, with the highest number there is: the recovery key heals it', () => {
  const stolen = says(first, Number.MAX_SAFE_INTEGER, thief, { recoveryKey: thief.key });
  const misled = followKeys([stolen], withRecovery);

  const healed = followKeys([stolen, says(recovery, 2, third)], misled);

  assert.equal(misled.key, thief.key);
  assert.equal(misled.recoveryKey, recovery.key, 'nobody but itself changes the recovery key');
  assert.equal(healed.key, third.key);
});

test('a host that knows no recovery key learns it on its way, and with it what a thief of the key cannot undo', () => {
  const statements = [
    says(first, 1, first, { recoveryKey: recovery.key }),
    says(first, 2, thief),
    says(recovery, 3, third),
  ];

  assert.equal(follow(statements, given), third.key);
});

test('a statement of the recovery key in another lineage hides none of ours', () => {
  const statements = [says(recovery, 1, second), says(recovery, 2, third, { lineage: 'theirs' })];

  assert.equal(follow(statements), second.key);
});

test('a retired key cannot come back', () => {
  const statements = [says(first, 1, second), says(first, 9, thief)];
  const trusted = followKeys([says(first, 1, second)], withRecovery);

  assert.equal(followKeys(statements, trusted).key, second.key);
});

test('a statement of the recovery key that was obeyed is not obeyed again after a rotation', () => {
  const statements = [says(recovery, 5, second), says(second, 6, third)];
  const trusted = followKeys(statements, withRecovery);

  assert.equal(trusted.key, third.key);
  assert.equal(followKeys(statements, trusted).key, third.key);
});

test('who has obeyed the recovery key keeps its statement, also if an earlier version kept the number only', () => {
  const statement = says(recovery, 5, second);
  const { recovery: proof, ...bare } = followKeys([statement], withRecovery);

  assert.equal(proof, statement);
  assert.equal(followKeys([says(second, 6, third)], { ...bare, recovery: proof }).recovery, statement);
  assert.equal(followKeys([statement], bare).recovery, statement);
});

test('two successors named by one recovery key: the higher number wins on either branch', () => {
  const [lower, higher] = [says(recovery, 5, second), says(recovery, 7, third)];
  for (const from of [withRecovery, followKeys([lower], withRecovery), followKeys([higher], withRecovery)]) {
    for (const statements of [
      [lower, higher],
      [higher, lower],
    ]) {
      assert.equal(followKeys(statements, from).key, third.key);
    }
  }
});

test('the recovery key changes itself', () => {
  const statements = [says(recovery, 5, second, { recoveryKey: third.key })];

  assert.equal(followKeys(statements, withRecovery).recoveryKey, third.key);
});

test("strangers' statements, broken ones and those of another lineage count for nothing", () => {
  const statements = [
    says(thief, 1, thief),
    says(first, 3, thief, { lineage: 'theirs' }),
    says(first, 2, second).slice(0, -2),
    'nonsense',
  ];

  assert.deepEqual(followKeys(statements, withRecovery), withRecovery);
});

test('the document is read as it was written; a broken one names its key', () => {
  const fleet = fleetName.parse('edge');
  const statements = [says(first, 1, second)];

  assert.deepEqual(parseKeys(fleet, Buffer.from(serializeKeys(statements))), statements);
  assert.throws(() => parseKeys(fleet, Buffer.from('{"version":1,"statements":["x"]}')), {
    code: 'ERR_KEYS_SCHEMA',
    key: 'published/edge/keys.json',
  });
  assert.throws(() => parseKeys(fleet, Buffer.from('{"version":2}')), { code: 'ERR_KEYS_VERSION' });
});
