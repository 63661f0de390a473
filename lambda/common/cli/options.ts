/** Of a program with several commands, each takes its own options only: one that it would ignore is refused. */

import { nearest } from '#common/nearest.ts';

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

/**
 * Of an error of `parseArgs`: its own words advise what nobody wants here.
 * @param names of all options; @param words of other programs, each with what to do instead
 */
export function argumentProblem(
  error: unknown,
  names: readonly string[],
  words: Readonly<Record<string, string>>,
): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, option = ''] = /'([^' ]+)/.exec(message) ?? [];
  if (code?.endsWith('_UNKNOWN_OPTION')) {
    if (option === '-=') return 'a short option takes its value without =';
    const name = option.replace(/^-+|=.*$/g, '');
    const advice = Object.hasOwn(words, name) ? words[name] : undefined;
    return `there is no option ${option}${advice === undefined ? meantOption(name, names) : `: ${advice}`}`;
  }
  if (!code?.endsWith('_INVALID_OPTION_VALUE')) return message;
  const [, long = option] = /(--[\w-]+)/.exec(message) ?? [];
  if (/does not take an argument/.test(message)) return `${long} takes no value`;
  return `${long} wants a value: ${long}=VALUE`;
}

function meantOption(name: string, names: readonly string[]): string {
  const near = name.length < 2 ? [] : nearest(name.slice(0, 40), names, 2);
  return near.length === 0 ? '' : `; did you mean ${near.map((one) => `--${one}`).join(' or ')}?`;
}

/** @param words of other programs, each with the command that does it here */
export function commandProblem(
  text: string,
  commands: readonly string[],
  words: Readonly<Record<string, string>>,
): string {
  const advice = Object.hasOwn(words, text) ? words[text] : undefined;
  const [near] = nearest(text.slice(0, 40), commands, 1);
  const meant = advice ?? near;
  return `there is no command ${text}; ${meant === undefined ? `there are ${commands.join(', ')}` : `did you mean ${meant}?`}`;
}

/** Own entries alone: `constructor` is no command. */
function commandOf(table: OptionTable, words: readonly string[]): string | undefined {
  const [first = '', second = ''] = words;
  return [`${first} ${second}`, first].find((command) => Object.hasOwn(table, command));
}
