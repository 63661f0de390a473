import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { withinProofQuota } from '../../../../agent/proof/quota.ts';

const now = new Date('2026-11-22T12:00:00Z');
const attempt = { at: now.getTime() - 1000, pid: 7 };

function proving(count: number, changes: object = {}) {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'prove',
    reason: '',
    file: `${index}.pem`,
    desired: { publishedAt: new Date(now.getTime() - index * 1000) },
    ...changes,
  }));
}

const provedIn = (actions: readonly { kind: string; file: string }[]) =>
  actions.filter(({ kind }) => kind === 'prove').map(({ file }) => file);

test('a pass between polls proves the odd ones first, then those that have changed last', () => {
  const proofs = new KnownProofs();
  proofs.distrust('8.pem');

  const actions = withinProofQuota(proving(10), { proofs, provesAtMost: 3, now });

  assert.deepEqual(provedIn(actions), ['0.pem', '1.pem', '8.pem']);
  assert.equal(actions.length, 10);
});

test('a single pass proves all that have no proof, and as many due ones as the time since the last allows', () => {
  const proofs = new KnownProofs();
  proofs.note('x.pem', 'a'.repeat(64), { proved: ['h:1'], unproven: [] }, attempt);
  const due = proving(3000, { isProofRenewed: true });
  const at = (ms: number) => ({ proofs, now: new Date(now.getTime() + ms) });

  const counts = [0, 60_000, 86_400_000].map((ms) => provedIn(withinProofQuota(due, at(ms))).length);

  assert.deepEqual(counts, [100, 234, 2307]);
  assert.equal(provedIn(withinProofQuota(proving(3000), at(0))).length, 3000);
});
