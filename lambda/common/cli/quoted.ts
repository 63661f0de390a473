/** Command lines that a message tells people to type. */

/** A word of a shell command, in quotes only where the shell needs them. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
