/** `pemfleet`: the operator's command. Composition root: it touches argv and the exit status. */
import { commandProblem } from '#common/cli/options.ts';
import { guardStandardStreams } from '#common/cli/streams.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { accountCommand } from './commands/account/account.ts';
import { adoptCommand } from './commands/adopt/adopt.ts';
import { type Command, hasPrintedJson, print, printFailure, printJson } from './commands/command.ts';
import { caaCommand } from './commands/dns/caa.ts';
import { dnsRecordsCommand } from './commands/dns/dns-records.ts';
import { doctorCommand } from './commands/doctor/doctor.ts';
import { exportCommand } from './commands/export/export.ts';
import { upgradeAgentsCommand } from './commands/fleet/upgrade-agents.ts';
import { haproxyConfigCommand } from './commands/haproxy-config.ts';
import { importCommand } from './commands/import/import.ts';
import { Interrupted } from './commands/init/ask.ts';
import { goLiveCommand } from './commands/init/go-live.ts';
import { initCommand } from './commands/init/init.ts';
import { keyCommand } from './commands/key.ts';
import { failureOf } from './commands/line/failure.ts';
import { COMMAND_WORDS } from './commands/line/known-words.ts';
import { parseArguments, type TAKEN_BY, UsageError } from './commands/line/options.ts';
import { notifyCommand } from './commands/notification/notify-command.ts';
import { EXIT, USAGE } from './commands/output.ts';
import { planCommand, renewCommand, runCommand } from './commands/pass.ts';
import { probeCommand } from './commands/probe.ts';
import { callFunction } from './commands/remote/call.ts';
import { drillCommand } from './commands/replacement/drill.ts';
import { replaceCommand } from './commands/replacement/replace.ts';
import { respondCommand } from './commands/respond.ts';
import { revokeCommand } from './commands/revoke.ts';
import { timerCommand } from './commands/schedule/timer.ts';
import { statusCommand } from './commands/status.ts';
import { takeOverCommand } from './commands/take-over.ts';
import { auditCommand } from './commands/undo/audit.ts';
import { historyCommand } from './commands/undo/history.ts';
import { holdCommand, resumeCommand } from './commands/undo/hold.ts';
import { rollbackCommand } from './commands/undo/rollback.ts';
import { withdrawCommand } from './commands/withdraw.ts';
import { configJsonSchema } from './config/config.ts';

const schema: Command = async () => {
  printJson(configJsonSchema());
  return EXIT.ok;
};

const version: Command = async () => {
  print(`${PEMFLEET_VERSION}\n`);
  return EXIT.ok;
};

/** `key` takes a verb, whose options are its own. */
type CommandName = Exclude<keyof typeof TAKEN_BY, `key ${string}`>;

const COMMANDS: Readonly<Record<CommandName, Command>> = {
  init: initCommand,
  adopt: adoptCommand,
  'go-live': goLiveCommand,
  run: runCommand,
  plan: planCommand,
  status: statusCommand,
  notify: notifyCommand,
  probe: probeCommand,
  respond: respondCommand,
  revoke: revokeCommand,
  replace: replaceCommand,
  drill: drillCommand,
  timer: timerCommand,
  withdraw: withdrawCommand,
  audit: auditCommand,
  history: historyCommand,
  renew: renewCommand,
  rollback: rollbackCommand,
  hold: holdCommand,
  resume: resumeCommand,
  import: importCommand,
  export: exportCommand,
  doctor: doctorCommand,
  'upgrade-agents': upgradeAgentsCommand,
  account: accountCommand,
  'take-over': takeOverCommand,
  key: keyCommand,
  'haproxy-config': haproxyConfigCommand,
  caa: caaCommand,
  'dns-records': dnsRecordsCommand,
  schema,
  version,
};
const TAKES_OPERANDS: ReadonlySet<Command> = new Set([
  revokeCommand,
  withdrawCommand,
  auditCommand,
  historyCommand,
  rollbackCommand,
  holdCommand,
  resumeCommand,
  importCommand,
  exportCommand,
  renewCommand,
  keyCommand,
  probeCommand,
  notifyCommand,
]);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArguments(args);
  const [name = 'help', ...operands] = positionals;
  if (values.version) return version(values, []);
  if (values.help || name === 'help') {
    print(USAGE);
    return EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name as CommandName] : undefined;
  if (command === undefined) throw new UsageError(commandProblem(name, Object.keys(COMMANDS), COMMAND_WORDS));
  if (operands.length > 0 && !TAKES_OPERANDS.has(command)) {
    throw new UsageError(`${name} takes options only, saw ${operands.join(' ')}${hintFor(name)}`);
  }
  return values.function === undefined ? command(values, operands) : callFunction(args, values, positionals);
}

/** Names after `run` are those of certificates. */
const hintFor = (name: string) =>
  ['run', 'plan'].includes(name) ? '; --only NAME limits the pass to one' : '';

function failed(error: unknown): number {
  const { status, text, document } = failureOf(error);
  if (process.argv.includes('--json') && !hasPrintedJson()) printJson(document);
  if (error instanceof Interrupted) {
    printFailure(`\n${error.message}\n`);
    return EXIT.interrupted;
  }
  printFailure(text);
  return status;
}

guardStandardStreams('pemfleet');
// No top-level await: the single executable is CommonJS.
void main(process.argv.slice(2))
  .catch(failed)
  .then((code) => {
    process.exitCode = code;
  });
