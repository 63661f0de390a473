/** Which roots a host takes: whose, of which lineage, and none that is older than what it has had. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signKeyStatement } from '#contract/key-chain.ts';
import { fleetName } from '#contract/layout.ts';
import { signReceipt } from '#contract/receipt.ts';
import type { ReadRoot, SignedManifest } from '#contract/root.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import { decideRoot, headDigest, type KnownTrust } from '../../../../agent/trust/accept.ts';
import { newTrust, type SequenceFloor, type TrustRecord } from '../../../../agent/trust/record.ts';

const fleet = fleetName.parse('edge');
const [first, second, recovery, stranger] = Array.from({ length: 4 }, () =>
  signerOf(generatePrivateKey()),
) as [Signer, Signer, Signer, Signer];

const rootOf = (
  signer: Signer,
  sequence: number,
  lineage = 'ours',
  head = `${signer.key} ${sequence}`,
): ReadRoot => ({
  manifest: { version: 2, fleet, lineage, sequence, signedAt: '2026-11-27T09:00:00.000Z' } as SignedManifest,
  key: signer.key,
  head,
});

const says = (signer: Signer, number: number, next: Signer) =>
  signKeyStatement(signer, { lineage: 'ours', number, key: next.key, at: '2026-11-27T09:00:00.000Z' });

const floor = (sequence: number, head?: string): SequenceFloor => ({
  lineage: 'ours',
  sequence,
  key: first.key,
  ...(head && { head: headDigest(head) }),
});

const trusting = (
  pinned: Signer,
  lineage: string | undefined = 'ours',
  recoveryKey = recovery.key,
): TrustRecord => newTrust({ lineage, key: pinned.key, recoveryKey }, true);

const nothing: KnownTrust = { fleet, trust: undefined, floors: [], receipts: [], statements: undefined };

interface Row {
  says: string;
  root: ReadRoot;
  known: Partial<KnownTrust>;
  becomes: string;
}

const receipt = (signer: Signer, sequence: number, name = 'edge') =>
  signReceipt(signer, {
    fleet: fleetName.parse(name),
    name: 'shop' as never,
    sha256: 'a'.repeat(64),
    notAfter: '2027-01-01T00:00:00.000Z',
    sequence,
  });

const rows: Row[] = [
  { says: 'first contact: the statements first', root: rootOf(first, 5), known: {}, becomes: 'needs-keys' },
  { says: 'first contact', root: rootOf(first, 5), known: { statements: [] }, becomes: 'accept' },
  {
    says: 'first contact with a key that has handed over',
    root: rootOf(first, 5),
    known: { statements: [says(first, 1, second)] },
    becomes: 'unknown-key',
  },
  {
    says: 'the key that is trusted',
    root: rootOf(first, 5),
    known: { trust: trusting(first) },
    becomes: 'accept',
  },
  {
    says: 'a key that was given without a lineage',
    root: rootOf(first, 5),
    known: { trust: trusting(first, undefined) },
    becomes: 'accept',
  },
  {
    says: 'an unknown key: the statements first',
    root: rootOf(second, 5),
    known: { trust: trusting(first) },
    becomes: 'needs-keys',
  },
  {
    says: 'an unknown key, and no statement',
    root: rootOf(second, 5),
    known: { trust: trusting(first), statements: [] },
    becomes: 'unknown-key',
  },
  {
    says: 'an unknown key that a stranger has made the next one',
    root: rootOf(second, 5),
    known: { trust: trusting(first), statements: [says(stranger, 1, second)] },
    becomes: 'unknown-key',
  },
  {
    says: 'the next key',
    root: rootOf(second, 5),
    known: { trust: trusting(first), statements: [says(first, 1, second)] },
    becomes: 'accept',
  },
  {
    says: 'the next key, by the recovery key',
    root: rootOf(second, 5),
    known: { trust: trusting(first), statements: [says(recovery, 1, second)] },
    becomes: 'accept',
  },
  {
    says: 'a retired key',
    root: rootOf(first, 5),
    known: { trust: trusting(first), statements: [says(first, 1, second)] },
    becomes: 'unknown-key',
  },
  {
    says: 'the key, in another lineage',
    root: rootOf(first, 5, 'theirs'),
    known: { trust: trusting(first) },
    becomes: 'other-lineage',
  },
  {
    says: 'another key of another lineage: no statement is asked',
    root: rootOf(stranger, 5, 'theirs'),
    known: { trust: trusting(first) },
    becomes: 'other-lineage',
  },
  {
    says: 'a lower sequence',
    root: rootOf(first, 4),
    known: { trust: trusting(first), floors: [floor(5)] },
    becomes: 'stale-manifest',
  },
  {
    says: 'the same sequence and head',
    root: rootOf(first, 5),
    known: { trust: trusting(first), floors: [floor(5, `${first.key} 5`)] },
    becomes: 'accept',
  },
  {
    says: 'the same sequence and another head',
    root: rootOf(first, 5, 'ours', 'other'),
    known: { trust: trusting(first), floors: [floor(5, `${first.key} 5`)] },
    becomes: 'stale-manifest',
  },
  {
    says: 'the same sequence and another head, which only one of two memories knows',
    root: rootOf(first, 5, 'ours', 'other'),
    known: { trust: trusting(first), floors: [floor(5), floor(5, `${first.key} 5`)] },
    becomes: 'stale-manifest',
  },
  {
    says: 'a lower sequence than another lineage had',
    root: rootOf(first, 4),
    known: { trust: trusting(first), floors: [{ lineage: 'theirs', sequence: 5 }] },
    becomes: 'accept',
  },
  {
    says: 'a lower sequence than a receipt',
    root: rootOf(first, 4),
    known: { trust: trusting(first), receipts: [receipt(first, 3), 'broken', receipt(first, 5)] },
    becomes: 'stale-manifest',
  },
  {
    says: 'a lower sequence than a receipt of the key that came next',
    root: rootOf(second, 4),
    known: { trust: trusting(first), receipts: [receipt(second, 5)], statements: [says(first, 1, second)] },
    becomes: 'stale-manifest',
  },
  {
    says: "receipts of a stranger, and of another fleet, are nobody's word",
    root: rootOf(first, 4),
    known: { trust: trusting(first), receipts: [receipt(stranger, 9), receipt(first, 9, 'web')] },
    becomes: 'accept',
  },
  {
    says: 'after a theft: what the thief signed counts up to the statement that ended it',
    root: rootOf(second, 1001),
    known: {
      trust: trusting(first),
      floors: [floor(Number.MAX_SAFE_INTEGER, 'thief')],
      receipts: [receipt(first, Number.MAX_SAFE_INTEGER)],
      statements: [says(recovery, 1000, second)],
    },
    becomes: 'accept',
  },
  {
    says: 'after a theft: older than that statement',
    root: rootOf(second, 999),
    known: {
      trust: trusting(first),
      floors: [floor(Number.MAX_SAFE_INTEGER, 'thief')],
      statements: [says(recovery, 1000, second)],
    },
    becomes: 'stale-manifest',
  },
  {
    says: 'after a rotation without a theft the sequence goes on',
    root: rootOf(second, 1001),
    known: { trust: trusting(first), floors: [floor(2000)], statements: [says(first, 1000, second)] },
    becomes: 'stale-manifest',
  },
];

const strange = { ...floor(Number.MAX_SAFE_INTEGER), key: stranger.key };
rows.push(
  {
    says: 'the end of all sequences, signed by somebody who was trusted before the operator’s word',
    root: rootOf(first, 5),
    known: { trust: trusting(first), floors: [strange] },
    becomes: 'accept',
  },
  {
    says: 'a sequence that a former key has signed',
    root: rootOf(first, 5),
    known: {
      trust: { ...trusting(first), formerKeys: [second.key] },
      floors: [{ ...floor(6), key: second.key }],
    },
    becomes: 'stale-manifest',
  },
  {
    says: 'a sequence of which nobody knows who signed it',
    root: rootOf(first, 5),
    known: { trust: trusting(first), floors: [{ lineage: 'ours', sequence: 6 }] },
    becomes: 'stale-manifest',
  },
);

for (const { says: title, root, known, becomes } of rows) {
  test(`${title}: ${becomes}`, () => {
    const decision = decideRoot(root, { ...nothing, ...known });

    assert.equal(decision.kind === 'keep' ? decision.condition.condition : decision.kind, becomes);
  });
}

test('what was accepted is remembered: lineage, key, sequence, head; keys that led there are former ones', () => {
  const root = rootOf(second, 5);
  const trust = trusting(first, undefined);

  const decision = decideRoot(root, { ...nothing, trust, statements: [says(first, 1, second)] });

  assert.ok(decision.kind === 'accept');
  const { trusted, formerKeys, floors, isConfirmed } = decision.trust;
  assert.deepEqual([trusted.lineage, trusted.key, trusted.recoveryKey], ['ours', second.key, recovery.key]);
  assert.deepEqual([formerKeys, isConfirmed], [[first.key], true]);
  const head = headDigest(root.head);
  assert.deepEqual(floors, { [fleet]: { lineage: 'ours', sequence: 5, head, key: second.key } });
});

test('a first contact that is refused leaves no trust behind; a statement that was followed stays followed', () => {
  const statements = [says(first, 1, second)];

  const refused = decideRoot(rootOf(first, 5), { ...nothing, statements });
  const followed = decideRoot(rootOf(stranger, 5), { ...nothing, trust: trusting(first), statements });

  assert.ok(refused.kind === 'keep' && followed.kind === 'keep');
  assert.equal(refused.trust, undefined);
  assert.equal(followed.trust?.trusted.key, second.key);
});

test('each refusal says what was wanted, what was seen, and the word that would take it', () => {
  const trust = trusting(first);
  const stale = decideRoot(rootOf(first, 4), { ...nothing, trust, floors: [floor(5)] });
  const unknown = decideRoot(rootOf(stranger, 5), { ...nothing, trust, statements: [] });
  const retired = decideRoot(rootOf(first, 5), { ...nothing, trust, statements: [says(first, 1, second)] });
  const other = decideRoot(rootOf(stranger, 5, '\u001b[2Jtheirs'), { ...nothing, trust });

  assert.ok(
    stale.kind === 'keep' && unknown.kind === 'keep' && retired.kind === 'keep' && other.kind === 'keep',
    // Without a message, a failure here never ends: Node looks for the text of the assertion.
    'each of them is kept',
  );
  assert.match(stale.condition.saw, /wanted a sequence above 5, saw 4/);
  assert.ok(unknown.condition.saw.includes(stranger.key) && unknown.condition.saw.includes(first.key));
  assert.ok(unknown.condition.fix.includes(`trust --accept ${stranger.key}`), unknown.condition.fix);
  // Nobody is invited to take the key that was retired.
  assert.doesNotMatch(retired.condition.fix, /--accept/);
  assert.ok(other.condition.fix.includes(`trust --accept ${stranger.key}`));
  const pinned = decideRoot(rootOf(stranger, 5), { ...nothing, trust, pinned: first.key, statements: [] });
  assert.ok(pinned.kind === 'keep');
  // `trust --accept` would refuse.
  assert.match(pinned.condition.fix, /write it as trust\.key into the agent's file, which says /);
  assert.doesNotMatch(pinned.condition.fix, /--accept/);
  assert.ok(!other.condition.saw.includes('\u001b'), 'printable');
});
