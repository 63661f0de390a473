/** The command line of `pemfleet`: its options, and which command takes which. */
import { parseArgs } from 'node:util';
import { argumentProblem, type OptionTable, optionProblem } from '#common/cli/options.ts';
import { OPTION_WORDS } from './known-words.ts';

/** By name; each takes the form of `parseArgs`. */
export const OPTIONS = {
  config: { type: 'string', short: 'c', default: '/etc/pemfleet/pemfleet.yaml' },
  bucket: { type: 'string' },
  stack: { type: 'string' },
  function: { type: 'string' },
  only: { type: 'string', multiple: true },
  listen: { type: 'string', default: '127.0.0.1:8402' },
  timeout: { type: 'string', default: '900' },
  reason: { type: 'string' },
  serial: { type: 'string' },
  replace: { type: 'boolean', default: true },
  rollover: { type: 'boolean', default: false },
  contact: { type: 'boolean', default: false },
  new: { type: 'boolean', default: false },
  deactivate: { type: 'boolean', default: false },
  ca: { type: 'string' },
  'recovery-key': { type: 'string' },
  out: { type: 'string' },
  part: { type: 'string' },
  stolen: { type: 'boolean', default: false },
  adopt: { type: 'string', multiple: true },
  yes: { type: 'boolean', default: false },
  fleet: { type: 'string' },
  grace: { type: 'string', default: '2m' },
  html: { type: 'string' },
  watch: { type: 'boolean', default: false },
  interval: { type: 'string' },
  page: { type: 'boolean', default: false },
  'expires-in': { type: 'string' },
  after: { type: 'string' },
  verify: { type: 'boolean', default: false },
  noted: { type: 'string' },
  to: { type: 'string' },
  until: { type: 'string' },
  now: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  days: { type: 'string' },
  fix: { type: 'boolean', default: false },
  test: { type: 'boolean', default: false },
  'issued-before': { type: 'string' },
  'serial-file': { type: 'string' },
  fullchain: { type: 'string' },
  key: { type: 'string' },
  pkcs12: { type: 'string' },
  'key-type': { type: 'string' },
  'passphrase-file': { type: 'string' },
  'passphrase-fd': { type: 'string' },
  cancel: { type: 'boolean', default: false },
  'order-seconds': { type: 'string' },
  concurrency: { type: 'string' },
  'allow-private': { type: 'boolean', default: false },
  canary: { type: 'string', default: '1' },
  back: { type: 'boolean', default: false },
  aws: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  'force-renewal': { type: 'boolean', default: false },
  'replace-trusted': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  'log-format': { type: 'string', default: 'text' },
  quiet: { type: 'boolean', short: 'q', default: false },
  email: { type: 'string' },
  name: { type: 'string', multiple: true },
  'ca-file': { type: 'string' },
  challenge: { type: 'string' },
  'haproxy-config': { type: 'string' },
  apply: { type: 'boolean', default: false },
  switch: { type: 'boolean', default: false },
  undo: { type: 'boolean', default: false },
  from: { type: 'string' },
  dir: { type: 'string' },
  'disable-old': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'V', default: false },
} as const;

type OptionName = keyof typeof OPTIONS;

const CONFIG = ['config', 'bucket', 'stack', 'function', 'help'] as const;
const DOCUMENT = [...CONFIG, 'json'] as const;
const LOGS = ['log-format', 'quiet'] as const;
const PASS = [
  ...DOCUMENT,
  ...LOGS,
  'timeout',
  'only',
  'force-renewal',
  'replace-trusted',
  'dry-run',
] as const;
const ACCOUNT = ['rollover', 'contact', 'new', 'deactivate'] as const;
const SCOPE = ['all', 'ca', 'issued-before', 'serial-file'] as const;
const KEY = [...DOCUMENT, 'timeout', 'dry-run'] as const;
const ANSWERS = ['email', 'name', 'ca', 'ca-file', 'challenge', 'bucket', 'haproxy-config'] as const;
const INIT = [
  'config',
  'json',
  'help',
  ...ANSWERS,
  'apply',
  'switch',
  'undo',
  'force',
  'yes',
  'dry-run',
] as const;

const ADOPT = [
  'config',
  'json',
  'help',
  'from',
  'dir',
  'ca',
  'ca-file',
  'bucket',
  'haproxy-config',
  'disable-old',
  'replace-trusted',
  'undo',
  'force',
  'yes',
  'dry-run',
] as const;

/**
 * A command refuses what it does not name here: an option that it would ignore says what is not so. `dry-run` stands where a dry run is
 * true.
 */
export const TAKEN_BY = {
  init: INIT,
  adopt: ADOPT,
  'go-live': [...DOCUMENT, 'ca', 'grace', 'dry-run'],
  run: PASS,
  plan: [...PASS, 'check', 'days', 'allow-private'],
  notify: [...DOCUMENT, ...LOGS, 'timeout', 'test', 'dry-run'],
  status: [...DOCUMENT, 'fleet', 'grace', 'html', 'watch', 'interval', 'page', 'expires-in'],
  doctor: [...DOCUMENT, 'fix', 'dry-run', 'only', 'allow-private', 'timeout', 'fleet', 'aws'],
  probe: [...DOCUMENT, 'fleet', 'all', 'concurrency', 'allow-private', 'timeout', 'quiet'],
  respond: [...CONFIG, 'listen'],
  revoke: [...DOCUMENT, ...LOGS, 'timeout', 'reason', 'serial', 'replace', 'now', 'cancel', 'dry-run'],
  replace: [...DOCUMENT, ...SCOPE, 'reason', 'cancel', 'yes', 'dry-run'],
  drill: [...DOCUMENT, ...SCOPE, 'order-seconds'],
  timer: CONFIG,
  withdraw: [...DOCUMENT, ...LOGS, 'fleet', 'yes', 'reason', 'dry-run', 'stolen'],
  audit: [...DOCUMENT, 'serial', 'after', 'fleet', 'verify', 'noted'],
  history: [...DOCUMENT, 'fleet'],
  renew: [...DOCUMENT, ...LOGS, 'timeout', 'replace-trusted', 'reason', 'dry-run'],
  rollback: [...DOCUMENT, ...LOGS, 'timeout', 'to', 'reason', 'replace-trusted', 'yes', 'dry-run'],
  hold: [...DOCUMENT, 'fleet', 'until', 'reason', 'dry-run'],
  resume: [...DOCUMENT, 'fleet', 'reason', 'dry-run'],
  import: [
    ...[...DOCUMENT, ...LOGS, 'timeout', 'name', 'fleet', 'passphrase-file', 'passphrase-fd'],
    ...['reason', 'replace-trusted', 'force', 'dry-run'],
  ] as const,
  export: [
    ...[...DOCUMENT, 'fleet', 'fullchain', 'key', 'pkcs12', 'key-type', 'passphrase-file', 'passphrase-fd'],
    ...['reason', 'force', 'dry-run'],
  ] as const,
  'upgrade-agents': [...DOCUMENT, 'fleet', 'canary', 'back', 'timeout', 'reason', 'dry-run'],
  account: [...DOCUMENT, ...LOGS, 'timeout', 'ca', ...ACCOUNT, 'yes', 'dry-run'],
  'take-over': [...DOCUMENT, 'dry-run'],
  key: DOCUMENT,
  'key show': DOCUMENT,
  'key rotate': KEY,
  'key recover': [...KEY, 'recovery-key', 'stolen', 'yes'],
  'key new': [...KEY, 'adopt', 'yes'],
  'key recovery-key': [...KEY, 'recovery-key', 'out'],
  caa: [...DOCUMENT, 'only', 'timeout'],
  'dns-records': [...DOCUMENT, 'only', 'timeout'],
  'haproxy-config': [...CONFIG, 'fleet', 'listen', 'part', 'timeout'],
  schema: ['help'],
  version: ['help'],
} satisfies Record<string, readonly OptionName[]>;

/**
 * As whom a command goes on when root has typed it: as the `owner` of a bucket that is a directory; `respond` as the responder's own user,
 * where the machine has it. `anybody`: it writes files of /etc, and what it does in a bucket it does as the owner.
 */
export type RunsAs = 'owner' | 'responder' | 'anybody';

/** docs/cli.md shows this table. */
export const RUNS_AS = {
  run: 'owner',
  plan: 'owner',
  status: 'owner',
  notify: 'owner',
  probe: 'owner',
  respond: 'responder',
  revoke: 'owner',
  replace: 'owner',
  drill: 'owner',
  timer: 'owner',
  withdraw: 'owner',
  account: 'owner',
  audit: 'owner',
  history: 'owner',
  renew: 'owner',
  rollback: 'owner',
  hold: 'owner',
  resume: 'owner',
  import: 'owner',
  'take-over': 'owner',
  doctor: 'owner',
  'upgrade-agents': 'owner',
  key: 'owner',
  caa: 'owner',
  'dns-records': 'owner',
  'haproxy-config': 'owner',
  export: 'anybody',
  init: 'anybody',
  adopt: 'anybody',
  'go-live': 'anybody',
  schema: 'anybody',
  version: 'anybody',
} satisfies Record<Exclude<keyof typeof TAKEN_BY, `key ${string}`>, RunsAs>;

const runsAs = (name: string): RunsAs =>
  Object.hasOwn(RUNS_AS, name) ? RUNS_AS[name as keyof typeof RUNS_AS] : 'anybody';

/** The command line is wrong: exit status 64. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Their operands are files of the user who types them. */
const TAKES_FILES: ReadonlySet<string> = new Set(['import']);

/** @throws UsageError */
export function parseArguments(args: string[]) {
  const { values, positionals, tokens } = parse(args);
  const table: OptionTable = TAKEN_BY;
  const problem =
    values.help || values.version ? undefined : optionProblem('pemfleet', table, positionals, tokens);
  if (problem !== undefined) throw new UsageError(problem);
  const [name = '', ...operands] = positionals;
  const files: readonly string[] = TAKES_FILES.has(name) ? operands : [];
  return { values: { ...values, runsAs: runsAs(name), files }, positionals };
}

export type CommandValues = ReturnType<typeof parseArguments>['values'];

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true, allowNegative: true, tokens: true });
  } catch (error) {
    throw new UsageError(argumentProblem(error, Object.keys(OPTIONS), OPTION_WORDS));
  }
}
