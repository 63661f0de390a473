/** Decides about a root with all that can be known: settings, what the host has trusted, keys.json, and the parameter. */
import { DAY_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { ReadRoot } from '#contract/root.ts';
import type { PublicKey } from '#contract/statement.ts';
import { decideRoot, type Refusal, type RootDecision } from './accept.ts';
import { type PublishedReader, readStatements } from './published.ts';
import { type PinnedTrust, type SequenceFloor, type TrustRecord, withPinned } from './record.ts';

export interface Authority {
  fleet: FleetName;
  trust: TrustRecord | undefined;
  /** `trust.key` of the settings. */
  pinned: PublicKey | undefined;
  floors: readonly SequenceFloor[];
  receipts: readonly string[];
  reader: PublishedReader;
  now: Date;
  /** What an AWS parameter says, where the settings name one. */
  readParameter: (() => Promise<PinnedTrust>) | undefined;
}

export type MadeDecision = Exclude<RootDecision, { kind: 'needs-keys' }> & {
  /** Code of what keeps the host from the parameter, which alone could confirm the key that it took at first contact. */
  parameterError?: string;
};

/**
 * The parameter counts where there is nothing else, where nobody has confirmed the key of the first contact, and again where the root is
 * not of the issuer that the host knows.
 * @param isNew the host has not had this root yet
 */
export async function decideByAuthority(
  authority: Authority,
  root: ReadRoot,
  isNew: boolean,
): Promise<MadeDecision> {
  const { readParameter, trust } = authority;
  if (readParameter === undefined) return decideByKeys(authority, root, isNew);
  const withParameter = async () => ({ ...authority, trust: withPinned(trust, await readParameter()) });
  if (trust === undefined) return decideByKeys(await withParameter(), root, isNew);
  const decision = await decideByKeys(authority, root, isNew);
  const isSettled = decision.kind === 'accept' || decision.condition.condition === 'stale-manifest';
  if (isSettled && trust.isConfirmed) return decision;
  try {
    return await decideByKeys(await withParameter(), root, isNew);
  } catch (error) {
    if (isSettled) return { ...decision, parameterError: codeOf(error) };
    return withFailure(decision, 'the parameter', error);
  }
}

/** keys.json is read where the key is unknown, at first contact, and with the first new root of a day; with each, while no recovery key is known. */
async function decideByKeys(
  { fleet, trust, pinned, floors, receipts, reader, now }: Authority,
  root: ReadRoot,
  isNew: boolean,
): Promise<MadeDecision> {
  const known = { fleet, trust, pinned, floors, receipts };
  const isDue = trust !== undefined && isNew && areKeysDue(trust, now);
  const first = isDue ? NEEDS_KEYS : decideRoot(root, { ...known, statements: undefined });
  if (first.kind !== 'needs-keys') return first;
  const failures: unknown[] = [];
  const statements = await readStatements(reader, fleet).catch((error: unknown) => {
    failures.push(error);
    return [];
  });
  const decision = decideRoot(root, { ...known, statements });
  if (decision.kind === 'needs-keys') throw new TypeError('the statements were given');
  // Only a statement that is still missing is news.
  if (decision.kind === 'accept') reader.reads.delete(layout.keys(fleet));
  const { trust: after } = decision;
  const keysReadAt = failures.length === 0 ? now.toISOString() : after?.keysReadAt;
  if (decision.kind === 'accept') return { ...decision, trust: { ...decision.trust, keysReadAt } };
  const kept = { ...decision, trust: after && { ...after, keysReadAt } };
  if (decision.condition.condition !== 'unknown-key') return kept;
  return failures.reduce<typeof kept>((one, failure) => withFailure(one, 'keys.json', failure), kept);
}

/** What else kept the host from knowing better. Its message would not stay the same. */
function withFailure<T extends { condition: Refusal }>(decision: T, what: string, failure: unknown): T {
  const saw = `${decision.condition.saw} (${what} cannot be read: ${codeOf(failure)})`;
  return { ...decision, condition: { ...decision.condition, saw } };
}

const NEEDS_KEYS = { kind: 'needs-keys' } as const;

/** A statement may name a new recovery key, which a host has to know before it is needed. */
function areKeysDue({ keysReadAt, trusted }: TrustRecord, now: Date): boolean {
  if (trusted.recoveryKey === undefined) return true;
  const agoMs = now.getTime() - Date.parse(keysReadAt ?? '');
  return !(agoMs >= 0 && agoMs < DAY_MS);
}
