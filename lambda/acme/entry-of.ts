/** @returns what a table has under a word from outside: of `constructor` and its kin, which every object inherits, nothing */
export function entryOf<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
