/** `pemfleet-agent`: the composition root. Only here are the command line, the environment, clock and chance read. */
import { hostname } from 'node:os';
import {
  guardStandardStreams,
  isJournal,
  withPriority,
  writeNotice,
  writeResult,
} from '#common/cli/streams.ts';
import { ConfigError } from '#common/config-error.ts';
import { exitStatusOfDoctor } from '#common/doctor/findings.ts';
import { once } from '#common/once.ts';
import { printableLines } from '#common/printable.ts';
import { runHostCommand } from '#common/systemd/host-command.ts';
import { SECOND_MS } from '#common/time.ts';
import { EXIT_WRONG_USER, WrongUser } from '#common/user/wrong-user.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { openHostBucket } from '#storage/open-host.ts';
import type { Agent } from './agent.ts';
import { type CommandLine, parseCommandLine, trustWordOf, waitMsOf } from './cli/command-line.ts';
import { EXIT, exitStatusOf, exitStatusOfStatus } from './cli/exit-status.ts';
import {
  adoptionDocument,
  adoptionText,
  jsonText,
  planText,
  resultDocument,
  statusText,
} from './cli/output.ts';
import { continueForHost } from './cli/right-user.ts';
import { exitStatusOfTrust, trustDocument, trustText } from './cli/trust.ts';
import { USAGE } from './cli/usage.ts';
import { type AgentConfig, instanceConfigs, loadAgentConfig } from './config/config.ts';
import { agentJsonSchema } from './config/schema.ts';
import { examineConfigured, findingsOutput } from './doctor/doctor.ts';
import { type Beforehand, prepareAsRoot } from './doctor/mend/as-root.ts';
import { Runtime } from './haproxy/runtime.ts';
import { openSocket, type RuntimeSocket } from './haproxy/socket.ts';
import { lineLog } from './log.ts';
import { showTrust } from './operator/trust-word.ts';
import { adopt } from './pass/adopt.ts';
import { syncHost } from './pass/instances.ts';
import { firstBoot } from './resident/first-boot.ts';
import { pollOutcomeOf } from './resident/loop.ts';
import { metricsWriter } from './resident/metrics.ts';
import { ProvedHook } from './resident/proved-hook.ts';
import { runResident } from './resident/resident.ts';
import { openSdNotifier } from './resident/sd-notify.ts';
import { reportDeparture } from './resident/shutdown.ts';
import { interruptibleSleep } from './resident/sleep.ts';
import { newMemory } from './state/memory.ts';
import { readStatus } from './state/status.ts';
import { readTrustParameter } from './trust/parameter.ts';

/** Shorter than HAProxy's own `stats timeout` (10 s), so that the agent can say that an answer is late. */
const RUNTIME_TIMEOUT_MS = 8 * SECOND_MS;

const forJournal = isJournal(process.stderr.fd, process.env['JOURNAL_STREAM']);
const log = lineLog((line) => process.stderr.write(line), forJournal);

async function main(argv: readonly string[]): Promise<number> {
  const line = parseCommandLine(argv);
  if (line.isHelp || line.command === 'help') return print(USAGE);
  if (line.isVersion || line.command === 'version') return print(`pemfleet-agent ${PEMFLEET_VERSION}\n`);
  if (line.command === 'schema') return print(jsonText(agentJsonSchema()));
  if (line.command === 'doctor') return examineHost(line);
  const command = Object.hasOwn(COMMANDS, line.command) ? COMMANDS[line.command] : undefined;
  if (command === undefined) throw new ConfigError('ERR_USAGE', `there is no command ${line.command}`);
  const config = await configOf(line);
  await continueForHost(line, config);
  return command(config, line);
}

const COMMANDS: Readonly<Record<string, (config: AgentConfig, line: CommandLine) => Promise<number>>> = {
  sync: syncOnce,
  run: stayResident,
  leave: async (config) => ((await reportDeparture(agentOf(config))) ? EXIT.ok : EXIT.failure),
  adopt: adoptFiles,
  status: showStatus,
  trust: trustKey,
};

function configOf({ settings }: CommandLine): Promise<AgentConfig> {
  return loadAgentConfig({ flags: settings, env: process.env, hostname: hostname() });
}

async function syncOnce(config: AgentConfig, line: CommandLine): Promise<number> {
  const { isDryRun, isRetry, isJson } = line;
  const signal = stopSignal();
  const waitMs = waitMsOf(line);
  const agent = agentOf(config, newMemory(), isDryRun ? 'read' : undefined);
  const passOptions = { isDryRun, ignoresBackOff: isRetry, signal };
  const { sleep } = interruptibleSleep(signal);
  const provedHook = isDryRun ? undefined : await ProvedHook.open(agent);
  const boot = waitMs === undefined ? undefined : await firstBoot(agent, { waitMs, sleep, passOptions });
  const result = boot?.result ?? (await syncHost(agent, passOptions));
  if (!isDryRun) {
    await metricsWriter(agent)(pollOutcomeOf(result));
    await provedHook?.run(result);
  }
  if (isJson) print(jsonText(resultDocument(result, isDryRun)));
  else if (isDryRun) print(planText(result));
  return boot?.exitStatus ?? exitStatusOf(result);
}

async function stayResident(config: AgentConfig): Promise<number> {
  const signal = stopSignal();
  await runResident(agentOf(config), {
    signal,
    sleeper: interruptibleSleep(signal),
    proofSleeper: interruptibleSleep(signal),
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    random: Math.random,
    notifier: openSdNotifier(process.env['NOTIFY_SOCKET'], log),
    watchdogUsec: process.env['WATCHDOG_USEC'],
    now: () => new Date(),
    monotonic: process.hrtime.bigint,
    onHangup: (poll) => process.on('SIGHUP', poll),
    runCommand: runHostCommand,
  });
  return EXIT.ok;
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

async function showStatus(config: AgentConfig, { isJson }: CommandLine): Promise<number> {
  const status = await readStatus(config.stateDir, config);
  if (status === undefined || status === 'broken') {
    process.stderr.write(`${config.stateDir} holds no status: no pass has finished yet\n`);
    return EXIT.failure;
  }
  print(isJson ? jsonText(status) : statusText(status));
  return exitStatusOfStatus(status);
}

async function adoptFiles(config: AgentConfig, { operands, isDryRun, isJson }: CommandLine): Promise<number> {
  if (operands.length === 0) throw new ConfigError('ERR_USAGE', 'adopt wants the names of files');
  const adoptions = await adopt(
    agentOf(config, newMemory(), isDryRun ? 'read' : undefined),
    operands,
    isDryRun,
  );
  print(isJson ? jsonText(adoptionDocument(adoptions, isDryRun)) : adoptionText(adoptions, isDryRun));
  return adoptions.some(({ kind }) => kind === 'refused') ? EXIT.failure : EXIT.ok;
}

async function trustKey(config: AgentConfig, line: CommandLine): Promise<number> {
  const word = trustWordOf(line);
  const agent = agentOf(config, newMemory(), word === undefined ? 'read' : undefined);
  const reports = await showTrust(agent, word);
  print(line.isJson ? jsonText(trustDocument(reports)) : trustText(reports));
  // Also where no agent is resident, the status says at once what the word has changed.
  if (reports.some(({ result }) => result === 'changed')) await syncHost(agent);
  return exitStatusOfTrust(reports);
}

async function examineHost(line: CommandLine): Promise<number> {
  const findings = await examineConfigured(configOf(line), async (config) => ({
    beforehand: await beforehandOf(config, line),
    agent: agentOf(config),
    socketOf,
    haproxyConfig: line.haproxyConfig,
    runCommand: runHostCommand,
    uid: process.getuid?.() ?? -1,
  }));
  print(findingsOutput(findings, line.isJson));
  return exitStatusOfDoctor(findings);
}

/** As root, and then as the agent's user. */
async function beforehandOf(config: AgentConfig, line: CommandLine): Promise<Beforehand | undefined> {
  const { haproxyConfig, isDryRun, isFix } = line;
  if (isDryRun && !isFix) throw new ConfigError('ERR_USAGE', '--dry-run goes with --fix');
  if (process.getuid?.() !== 0) {
    if (!isFix) {
      await continueForHost(line, config);
      return undefined;
    }
    throw new WrongUser(
      'doctor --fix changes owners and units, as root alone may: sudo pemfleet-agent doctor --fix',
    );
  }
  const say = (text: string) => writeNotice(process.stderr, text);
  const mending = isFix ? { isDryRun, say, runCommand: runHostCommand } : undefined;
  const request = { mending, haproxyConfig, runCommand: runHostCommand };
  const beforehand = await prepareAsRoot(config, request, socketOf);
  await continueForHost(line, config);
  return beforehand;
}

/** @param access `read`: a directory bucket that is missing stays missing */
function agentOf(config: AgentConfig, memory = newMemory(), access?: 'read'): Agent {
  const { parameter } = config.trust;
  const runtime = new Runtime(socketOf(config), (ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  return {
    config,
    version: PEMFLEET_VERSION,
    readTrustParameter:
      parameter === undefined ? undefined : () => readTrustParameter(parameter, process.env),
    openBucket: once(() => openHostBucket(config.bucket, process.env, access)),
    runtime,
    memory,
    log,
    now: () => new Date(),
    instances:
      config.instances.length > 0
        ? instanceConfigs(config).map((one) => agentOf(one, memory, access))
        : undefined,
  };
}

function socketOf({ haproxy }: AgentConfig): RuntimeSocket {
  return openSocket({ path: haproxy.statsSocket, timeoutMs: RUNTIME_TIMEOUT_MS });
}

/** Whoever asked for JSON gets one document. */
let hasPrinted = false;

function print(text: string): number {
  hasPrinted = true;
  writeResult(process.stdout, text);
  return EXIT.ok;
}

function reportError(error: unknown): number {
  if (process.argv.includes('--json') && !hasPrinted) {
    print(jsonText({ version: 1, error: { code: codeOf(error), message: messageOf(error) } }));
  }
  if (error instanceof ConfigError || error instanceof WrongUser) {
    const text = printableLines(`pemfleet-agent: ${error.code}: ${error.message}\n`);
    process.stderr.write(forJournal ? withPriority(text, 'error') : text);
    if (error instanceof WrongUser) return EXIT_WRONG_USER;
    return error.code === 'ERR_USAGE' ? EXIT.usage : EXIT.config;
  }
  log('run.failed', { code: codeOf(error), message: messageOf(error) });
  return EXIT.failure;
}

process.umask(0o077);
guardStandardStreams('pemfleet-agent');
// No top-level await: the single executable is CommonJS.
void main(process.argv.slice(2))
  .catch(reportError)
  .then((code) => {
    process.exitCode = code;
  });
