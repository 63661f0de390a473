/** How many handshakes a pass makes of what HAProxy shows as it should be: the others have their turn between polls, or in the next pass. */
import { MINUTE_MS } from '#common/time.ts';
import type { KnownProofs } from './known.ts';
import { HANDSHAKE_EVERY_MS, IN_A_PASS } from './pace.ts';

/** An agent that did not run for a day has not saved up a day's handshakes. */
const LONGEST_REST_MS = 10 * MINUTE_MS;

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

/** For a single pass, which has no time between polls: what the pace has allowed since the last handshake. */
function renewalsAtMost({ proofs }: KnownProofs, now: number): number {
  let last = 0;
  for (const { attempt } of proofs.files.values()) if (attempt.at <= now) last = Math.max(last, attempt.at);
  const restMs = Math.min(now - last, LONGEST_REST_MS);
  return Math.max(IN_A_PASS, Math.floor(restMs / HANDSHAKE_EVERY_MS));
}
