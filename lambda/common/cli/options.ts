/** Of a program with several commands, each takes its own options only: one that it would ignore is refused. */

/** By command, `key rotate` among them: the names of the options that it takes. */
export type OptionTable = Readonly<Record<string, readonly string[]>>;

/** What `parseArgs` says of one argument (`tokens: true`). */
interface Token {
  kind: string;
  name?: string;
  /** As it was written: `--json`, `-q`. */
  rawName?: string;
}

/**
 * @param words of the command line that are no options; the command is the longest entry of the table that they begin with
 * @returns what is wrong, with the commands that do take the option; undefined for a command that the table does not know
 */
export function optionProblem(
  program: string,
  table: OptionTable,
  words: readonly string[],
  tokens: readonly Token[],
): string | undefined {
  const command = commandOf(table, words);
  const own = command === undefined ? undefined : table[command];
  const foreign = tokens.find(({ kind, name = '' }) => kind === 'option' && own?.includes(name) === false);
  if (foreign === undefined) return undefined;
  const { name = '', rawName } = foreign;
  const takers = Object.keys(table).filter((one) => table[one]?.includes(name));
  const options = own?.map((one) => `--${one}`).join(', ');
  const takes = options ? `takes ${options}` : 'takes no options';
  return `${rawName} is an option of ${takers.join(', ') || 'no command'}; ${program} ${command} ${takes}`;
}

/** Own entries alone: `constructor` is no command. */
function commandOf(table: OptionTable, words: readonly string[]): string | undefined {
  const [first = '', second = ''] = words;
  return [`${first} ${second}`, first].find((command) => Object.hasOwn(table, command));
}
