/** The command line of `pemfleet-agent`: one command, and its flags. */
import { parseArgs } from 'node:util';
import { argumentProblem, commandProblem, type OptionTable, optionProblem } from '#common/cli/options.ts';
import { ConfigError } from '#common/config-error.ts';
import { SECOND_MS } from '#common/time.ts';
import { publicKey } from '#contract/statement.ts';
import type { TrustWord } from '../agent.ts';
import { FLAGS } from '../config/config.ts';

export interface CommandLine {
  command: string;
  /** What follows it: files, for `adopt`. */
  operands: readonly string[];
  /** Flags of settings, and `--config`, without their dashes. */
  settings: Readonly<Record<string, string>>;
  haproxyConfig: string | undefined;
  wait: string | undefined;
  /** Keys, for `trust`. */
  confirm: string | undefined;
  accept: string | undefined;
  isJson: boolean;
  isDryRun: boolean;
  /** Of `doctor`. */
  isFix: boolean;
  isRetry: boolean;
  isHelp: boolean;
  isVersion: boolean;
}

const SETTINGS = ['config', ...Object.keys(FLAGS), 'help'];

/** A command refuses what it does not name here: an option that it would ignore says what is not so. */
export const AGENT_TAKEN_BY: OptionTable = {
  sync: [...SETTINGS, 'json', 'dry-run', 'retry', 'wait'],
  run: SETTINGS,
  leave: SETTINGS,
  adopt: [...SETTINGS, 'json', 'dry-run'],
  status: [...SETTINGS, 'json'],
  trust: [...SETTINGS, 'json', 'confirm', 'accept'],
  doctor: [...SETTINGS, 'json', 'haproxy-config', 'fix', 'dry-run'],
  schema: ['help'],
  version: ['help'],
};

/** Commands that people try. */
const COMMAND_WORDS: Readonly<Record<string, string>> = {
  start: 'run',
  daemon: 'run',
  once: 'sync',
  update: 'sync',
  apply: 'sync',
  install: 'sync',
  check: 'doctor',
  test: 'doctor',
  configtest: 'doctor',
  list: 'status',
  show: 'status',
};

export const AGENT_COMMANDS: readonly string[] = Object.keys(AGENT_TAKEN_BY);

const TEXT = { type: 'string' } as const;
const YES = { type: 'boolean' } as const;
const SETTING_OPTIONS = Object.fromEntries(['config', ...Object.keys(FLAGS)].map((flag) => [flag, TEXT]));

/** By name; each takes the form of `parseArgs`. */
export const AGENT_OPTIONS = {
  ...SETTING_OPTIONS,
  'haproxy-config': TEXT,
  wait: TEXT,
  confirm: TEXT,
  accept: TEXT,
  json: YES,
  'dry-run': YES,
  retry: YES,
  fix: YES,
  help: { ...YES, short: 'h' },
  version: { ...YES, short: 'V' },
};

/** `--wait` without a number. */
const DEFAULT_WAIT_SECONDS = 120;

/** @throws ConfigError `ERR_USAGE` */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  try {
    const args = withKeysJoined(argv).map((word) =>
      word === '--wait' ? `--wait=${DEFAULT_WAIT_SECONDS}` : word,
    );
    const { values, positionals, tokens } = parseArgs({
      args,
      options: AGENT_OPTIONS,
      allowPositionals: true,
      tokens: true,
    });
    const [command = values.version ? 'version' : 'help', ...operands] = positionals;
    if (command !== 'help' && !Object.hasOwn(AGENT_TAKEN_BY, command)) {
      throw new TypeError(
        `${commandProblem(command, Object.keys(AGENT_TAKEN_BY), COMMAND_WORDS)} see --help`,
      );
    }
    const isInfo = values.help === true || values.version === true;
    const problem = isInfo ? undefined : optionProblem('pemfleet-agent', AGENT_TAKEN_BY, positionals, tokens);
    if (problem !== undefined) throw new TypeError(problem);
    if (operands.length > 0 && command !== 'adopt') {
      throw new TypeError(`wanted one command, saw ${positionals.join(' ')}`);
    }
    return {
      command,
      operands,
      settings: Object.fromEntries(
        Object.entries(values).filter((entry): entry is [string, string] => entry[0] in SETTING_OPTIONS),
      ),
      haproxyConfig: values['haproxy-config'],
      wait: values.wait,
      confirm: values.confirm,
      accept: values.accept,
      isJson: values.json === true,
      isDryRun: values['dry-run'] === true,
      isRetry: values.retry === true,
      isFix: values.fix === true,
      isHelp: values.help === true,
      isVersion: values.version === true,
    };
  } catch (error) {
    const says = argumentProblem(error, Object.keys(AGENT_OPTIONS), {});
    throw new ConfigError('ERR_USAGE', says, { cause: error });
  }
}

/** One key in 64 begins with a dash, which parseArgs() takes for a flag. */
function withKeysJoined(argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => {
    const [before = '', next = ''] = [argv[index - 1], argv[index + 1]];
    if (KEY_FLAGS.includes(word) && isKey(next)) return [`${word}=${next}`];
    return KEY_FLAGS.includes(before) && isKey(word) ? [] : [word];
  });
}

const KEY_FLAGS = ['--trust-key', '--trust-recovery-key', '--confirm', '--accept'];
const isKey = (word: string) => publicKey.safeParse(word).success;

/** @throws ConfigError `ERR_USAGE` */
export function trustWordOf({ confirm, accept }: CommandLine): TrustWord | undefined {
  const text = confirm ?? accept;
  if (text === undefined) return undefined;
  const key = publicKey.safeParse(text);
  if (!key.success || (confirm !== undefined && accept !== undefined)) {
    const wants = '--confirm KEY or --accept KEY takes a key as "pemfleet key show" prints it: 43 characters';
    throw new ConfigError('ERR_USAGE', wants);
  }
  return { kind: confirm === undefined ? 'accept' : 'confirm', key: key.data };
}

/**
 * @returns milliseconds, `undefined` without `--wait`
 * @throws ConfigError `ERR_USAGE`
 */
export function waitMsOf({ wait, isDryRun }: CommandLine): number | undefined {
  if (wait === undefined) return undefined;
  if (isDryRun || !/^\d{1,5}$/.test(wait)) {
    throw new ConfigError('ERR_USAGE', '--wait=SECONDS takes a number, and does not go with --dry-run');
  }
  return Number(wait) * SECOND_MS;
}
