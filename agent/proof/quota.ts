/** How many handshakes a pass makes of what HAProxy shows as it should be: the others have their turn between polls, or in the next pass. */
import type { KnownProofs } from './known.ts';
import { renewalsAtMost } from './pace.ts';

/** What a pass is to do with a file, as far as it matters here. */
interface ProofAction {
  kind: string;
  reason: string;
  file: string;
  desired: { publishedAt: Date };
  isProofRenewed?: boolean;
}

interface QuotaInput {
  proofs: KnownProofs;
  /** Absent: all that have no proof, and as many that are due again as the time since the last handshake allows. */
  provesAtMost?: number | undefined;
  now: Date;
}

/** @returns the same actions in the same order; `keep` in place of `prove` for those whose turn comes later */
export function withinProofQuota<A extends ProofAction>(actions: readonly A[], input: QuotaInput): A[] {
  const { proofs, provesAtMost, now } = input;
  const due = actions.filter(({ kind }) => kind === 'prove').sort(byUrgency(proofs));
  const renewals = provesAtMost ?? renewalsAtMost(proofs, now.getTime());
  const isFirst = ({ isProofRenewed }: A) => provesAtMost === undefined && !isProofRenewed;
  const firstProofs = due.filter(isFirst);
  const others = due.filter((action) => !isFirst(action));
  const later = new Set(others.slice(Math.max(0, renewals - firstProofs.length)));
  if (later.size === 0) return [...actions];
  return actions.map((action) =>
    later.has(action)
      ? { ...action, kind: 'keep', reason: 'served; its handshakes have their turn later' }
      : action,
  );
}

/** Odd ones first, then those without a proof, then those that have changed last. */
function byUrgency(proofs: KnownProofs): (a: ProofAction, b: ProofAction) => number {
  const rank = ({ file, isProofRenewed }: ProofAction) =>
    proofs.isDistrusted(file) ? 0 : isProofRenewed ? 2 : 1;
  return (a, b) => rank(a) - rank(b) || b.desired.publishedAt.getTime() - a.desired.publishedAt.getTime();
}
