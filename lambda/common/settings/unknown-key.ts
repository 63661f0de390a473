/** What to say of a key that there is not: a typo, a word of another program, a key at the wrong place. */
import { nearest } from '#common/nearest.ts';
import { type JsonSchema, keysAt, pathsOfKey } from './schema-keys.ts';

/** By the word in small letters and digits only: what to write. */
export type KnownWords = Readonly<Record<string, string>>;

/** One advice for many words. */
export function wordsFor(advices: Readonly<Record<string, readonly string[]>>): KnownWords {
  return Object.fromEntries(
    Object.entries(advices).flatMap(([advice, words]) => words.map((word) => [plain(word), advice])),
  );
}

/** @param path of the object that has the key */
export function unknownKeyText(
  key: string,
  path: readonly PropertyKey[],
  { schema, words }: { schema: JsonSchema; words: KnownWords },
): string {
  return `unknown key; ${adviceFor(key, path, { schema, words })}`;
}

function adviceFor(
  key: string,
  path: readonly PropertyKey[],
  { schema, words }: { schema: JsonSchema; words: KnownWords },
): string {
  const known = keysAt(schema, path);
  const same = known.find((one) => plain(one) === plain(key));
  if (same !== undefined) return `did you mean ${same}?`;
  const advice = Object.hasOwn(words, plain(key)) ? words[plain(key)] : undefined;
  if (advice !== undefined) return advice;
  const elsewhere = pathsOfKey(schema, key);
  if (elsewhere.length > 0) return `it belongs to ${elsewhere.slice(0, 2).join(' or ')}`;
  const near = nearest(key.slice(0, 60), known, 2);
  if (near.length > 0) return `did you mean ${near.join(' or ')}?`;
  const far = nearest(key.slice(0, 60), allKeys(schema), 1).flatMap((one) => pathsOfKey(schema, one));
  if (far.length > 0) return `did you mean ${far.slice(0, 2).join(' or ')}?`;
  return known.length > 0 ? `there are ${known.join(', ')}` : 'no keys stand here';
}

function allKeys(schema: JsonSchema): string[] {
  const { properties = {}, items, anyOf = [], allOf = [] } = schema;
  const below = [...Object.values(properties), ...(items ? [items] : []), ...anyOf, ...allOf];
  return [...new Set([...Object.keys(properties), ...below.flatMap(allKeys)])];
}

/** `renew_before`, `renew-before` and `renewBefore` are one word. */
function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[^a-z0-9<]/g, '');
}
