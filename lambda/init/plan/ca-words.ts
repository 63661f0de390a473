/** The directories of the CAs in the text of pemfleet.yaml: those words change, and nothing beside them. */
import { type Document, isAlias, isCollection, isScalar, parseDocument } from 'yaml';

export interface CaWord {
  /** 0: `acme`; from 1 on those of `fallback`. */
  index: number;
  word: string;
}

/** What is written once and named twice (an alias) changes once. Quotes stay. */
export function changeDirectories(text: string, changes: readonly CaWord[]): string {
  const document = parseDocument(text);
  const edits = new Map<number, { end: number; word: string }>();
  for (const { index, word } of changes) {
    const path = index === 0 ? ['acme'] : ['fallback', index - 1];
    const node = nodeAt(document, [...path, 'directoryUrl']);
    if (!isScalar(node) || !node.range) continue;
    const [start, end] = node.range;
    const [quote = ''] = /^["']/.exec(text.slice(start, end)) ?? [];
    const isBlock = /^[|>]/.test(text.slice(start, end));
    edits.set(start, { end, word: `${quote}${word}${quote}${isBlock ? '\n' : ''}` });
  }
  return [...edits]
    .sort(([left], [right]) => right - left)
    .reduce((whole, [start, { end, word }]) => whole.slice(0, start) + word + whole.slice(end), text);
}

function nodeAt(document: Document, path: readonly (string | number)[]): unknown {
  const resolved = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
  return path.reduce<unknown>((node, key) => {
    const inner = isCollection(node) ? node.get(key, true) : undefined;
    return resolved(inner);
  }, resolved(document.contents));
}
