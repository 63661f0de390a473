/**
 * How far each command goes through the deployed function. `read`: by the alias that changes nothing. `change`: by the other one. What
 * never goes says why. docs/cli.md shows this table.
 */
import type { CommandValues, TAKEN_BY } from '../line/options.ts';

export type CommandReach = 'read' | 'change' | { never: string };

const never = (why: string): CommandReach => ({ never: why });
const MACHINE = never('it works on files, users and services of this machine');
const KEYS = never('keys do not pass through the function');

export const REACH = {
  run: 'change',
  plan: 'read',
  status: 'read',
  probe: 'read',
  revoke: 'change',
  replace: 'change',
  drill: 'read',
  withdraw: 'change',
  audit: 'read',
  history: 'read',
  renew: 'change',
  rollback: 'change',
  hold: 'change',
  resume: 'change',
  'take-over': 'change',
  caa: 'read',
  'dns-records': 'read',
  'haproxy-config': 'read',
  import: KEYS,
  export: KEYS,
  'key show': KEYS,
  'key rotate': KEYS,
  'key recover': KEYS,
  'key new': KEYS,
  'key recovery-key': KEYS,
  account: never('keys of accounts do not pass through the function'),
  init: MACHINE,
  adopt: MACHINE,
  'go-live': MACHINE,
  doctor: MACHINE,
  respond: MACHINE,
  timer: MACHINE,
  'upgrade-agents': never('it sends commands to hosts with rights that the function does not have'),
  notify: never('the function tells in each of its passes, by the channels of its configuration'),
  schema: never('this machine knows it'),
  version: never('this machine knows it'),
} satisfies Record<Exclude<keyof typeof TAKEN_BY, 'key'>, CommandReach>;

/** @param words of the command line that are no options */
export function reachOf(words: readonly string[], values: CommandValues): CommandReach {
  const name = commandKey(words);
  const reach: CommandReach = Object.hasOwn(REACH, name) ? REACH[name as keyof typeof REACH] : MACHINE;
  // A token of its own is written, and removed.
  if (name === 'plan' && values.check) return 'change';
  if (reach !== 'change') return reach;
  const isDryRun = values['dry-run'];
  const isQuestion = name === 'hold' && words.length === 1 && values.fleet === undefined;
  const isShown = isQuestion || (name === 'replace' && SCOPE.every((option) => !values[option]));
  return isDryRun || isShown ? 'read' : 'change';
}

/** Without any of these, `replace` shows how far requests have come. */
const SCOPE = ['all', 'ca', 'issued-before', 'serial-file', 'cancel'] as const;

/** `key rotate`, for example. */
export function commandKey([name = '', verb = 'show']: readonly string[]): string {
  return name === 'key' ? `key ${verb}` : name;
}

/** Of a command that does not go through the function. */
export function reachProblem(name: string, reach: CommandReach): string | undefined {
  if (typeof reach === 'string') return undefined;
  return `${name} does not go through --function: ${reach.never}`;
}

/** Files, buckets and the terminal of the caller's machine mean nothing in the function; a link is signed by the caller. */
const LOCAL = ['bucket', 'stack', 'serial-file', 'recovery-key', 'out', 'html', 'watch', 'page'] as const;

export function localProblem(values: CommandValues): string | undefined {
  const given = LOCAL.find((option) => values[option] !== undefined && values[option] !== false);
  return given === undefined
    ? undefined
    : `--${given} is of this machine, and --function acts with the bucket and the configuration of the function: leave one of both out`;
}
