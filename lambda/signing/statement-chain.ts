/** Which statements belong together: those of one lineage in which key names key, and those from which a host with an old key begins. */
import { type KeyStatement, readKeyStatements } from '#contract/key-chain.ts';
import type { PublicKey } from '#contract/statement.ts';

/** Of statements that lead from earlier keys, taken from `published/`: a quarter of what `keys.json` may have. */
const MAX_LEADING_BYTES = 262_144;

/** Statements of this lineage by keys that lead back to `keys`, and all keys that they name. */
export function chainOf(
  texts: readonly string[],
  {
    lineage,
    keys,
    recoveryKey,
    highest,
  }: { lineage: string; keys: readonly PublicKey[]; recoveryKey: PublicKey; highest: number },
) {
  const known = new Set([...keys, recoveryKey]);
  const read = readKeyStatements([...new Set(texts)]);
  const ordered = read.sort((a, b) => a.claims.number - b.claims.number);
  const chain = ordered.filter(({ key, claims }) => {
    const isCredible = key === recoveryKey || claims.number <= highest;
    const isOf = known.has(key) && claims.lineage === lineage && isCredible;
    if (isOf) known.add(claims.key);
    return isOf;
  });
  return { keys: [...known], statements: chain.map(({ text }) => text), numbers: numbersOf(chain) };
}

/**
 * Statements of earlier keys, and of earlier recovery keys, that lead to these: a host from an old image begins there. They make no key ours:
 * whoever names one of our keys as his successor says nothing about himself.
 */
export function leadingTo(keys: readonly PublicKey[], texts: readonly string[], lineage: string): string[] {
  const reached = new Set(keys);
  const leading = new Set<string>();
  const all = readKeyStatements([...new Set(texts)]).filter(({ claims }) => claims.lineage === lineage);
  let before = -1;
  while (before !== leading.size) {
    before = leading.size;
    for (const { key, claims, text } of all) {
      const isLeading = [claims.key, claims.recoveryKey].some((named) => named && reached.has(named));
      if (!isLeading) continue;
      leading.add(text);
      reached.add(key);
    }
  }
  return fitting([...leading]);
}

/** Whoever may write to `published/` does not fill the list that hosts read. */
function fitting(texts: readonly string[]): string[] {
  let left = MAX_LEADING_BYTES;
  return texts.filter((text) => {
    left -= text.length;
    return left >= 0;
  });
}

/** Oldest first. */
export function inOrder(texts: readonly string[]): string[] {
  const numberOf = (text: string) => numbersOf(readKeyStatements([text]))[0] ?? 0;
  const numbered = texts.map((text) => ({ text, number: numberOf(text) }));
  return numbered.sort((a, b) => a.number - b.number).map(({ text }) => text);
}

/**
 * Another branch of our keys, which has come back with a backup: the statements of the recovery key, and those by which keys name it. They
 * change nobody's key. But a host that first meets a root of that branch knows the recovery key by them, and finds the later branch.
 * @param ours earlier keys, and the recovery key
 */
export function branchesOf(
  texts: readonly string[],
  ours: { lineage: string; keys: readonly PublicKey[]; recoveryKey: PublicKey },
): string[] {
  const { recoveryKey } = ours;
  const chain = chainOf(texts, { ...ours, highest: Number.POSITIVE_INFINITY });
  const naming = readKeyStatements(chain.statements).filter(({ key, claims }) => {
    return key === recoveryKey || (key === claims.key && claims.recoveryKey === recoveryKey);
  });
  return fitting(naming.map(({ text }) => text));
}

export function numbersOf(statements: readonly KeyStatement[]): number[] {
  return statements.map(({ claims }) => claims.number);
}
