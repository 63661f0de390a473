/** `pemfleet-agent`: the composition root. Only here are the command line, the environment, clock and chance read. */

import { fstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { ConfigError } from '#common/config-error.ts';
import { once } from '#common/once.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { openHostBucket } from '#storage/open-host.ts';
import type { Agent } from './agent.ts';
import { EXIT, exitStatusOf, planText, resultDocument, statusText } from './cli/output.ts';
import { USAGE } from './cli/usage.ts';
import { type AgentConfig, loadAgentConfig, OPTIONS } from './config/config.ts';
import { examineConfigured, exitStatusOfFindings, findingsOutput } from './doctor/doctor.ts';
import { Runtime } from './haproxy/runtime.ts';
import { openSocket } from './haproxy/socket.ts';
import { type Log, lineLog } from './log.ts';
import { instanceConfigs } from './pass/instances.ts';
import { sync } from './pass/sync.ts';
import { execHere } from './resident/exec.ts';
import { DEFAULT_WAIT_SECONDS, firstBoot, waitOf } from './resident/first-boot.ts';
import { metricsWriter, pollOutcomeOf, runResident } from './resident/resident.ts';
import { openNotifier } from './resident/sd-notify.ts';
import { reportDeparture } from './resident/shutdown.ts';
import { interruptibleSleep } from './resident/sleep.ts';
import { readStatus } from './state/state.ts';

/** Below HAProxy's own `stats timeout` (10 s), so that a late answer is ours to tell. */
const RUNTIME_TIMEOUT_MS = 8000;

type Flags = Record<string, string | boolean | undefined>;

/** systemd names device and inode of the stream that it reads; a redirected one is another. */
function isJournal(): boolean {
  const { dev, ino } = fstatSync(process.stderr.fd);
  return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`;
}

const log = lineLog((line) => process.stderr.write(line), isJournal());

async function main(argv: string[]): Promise<number> {
  const { command, flags } = readCommandLine(argv);
  if (flags['help'] || command === 'help') return print(USAGE);
  if (command === 'version') return print(`pemfleet-agent ${PEMFLEET_VERSION}\n`);
  const commands: Record<string, (config: AgentConfig, flags: Flags) => Promise<number>> = {
    sync: syncOnce,
    run: stayResident,
    leave: async (config) => ((await reportDeparture(agentOf(config))) ? EXIT.ok : EXIT.failure),
    status: showStatus,
  };
  if (command === 'doctor') return examine(flags);
  const start = commands[command];
  if (start === undefined) throw new ConfigError('ERR_USAGE', `unknown command "${command}"; see --help`);
  return start(await configOf(flags), flags);
}

function configOf(flags: Flags): Promise<AgentConfig> {
  const texts = Object.entries(flags).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value]] : [],
  );
  return loadAgentConfig({ flags: Object.fromEntries(texts), env: process.env, hostname: hostname() });
}

function readCommandLine(argv: string[]): { command: string; flags: Flags } {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const settings = Object.fromEntries(['config', ...Object.keys(OPTIONS)].map((flag) => [flag, text]));
  const options = {
    ...settings,
    'haproxy-config': text,
    wait: text,
    json: yes,
    'dry-run': yes,
    retry: yes,
    help: { ...yes, short: 'h' },
  };
  try {
    const args = argv.map((word) => (word === '--wait' ? `--wait=${DEFAULT_WAIT_SECONDS}` : word));
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (positionals.length > 1) throw new TypeError(`wanted one command, saw ${positionals.join(' ')}`);
    return { command: positionals[0] ?? 'help', flags: values as Flags };
  } catch (error) {
    throw new ConfigError('ERR_USAGE', messageOf(error), { cause: error });
  }
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

async function syncOnce(config: AgentConfig, flags: Flags): Promise<number> {
  const isDryRun = flags['dry-run'] === true;
  const signal = stopSignal();
  const options = { isDryRun, ignoresBackOff: flags['retry'] === true, signal };
  const waitMs = waitOf(flags['wait'], isDryRun);
  const agent = agentOf(config);
  const { result, code } =
    waitMs === undefined
      ? await sync(agent, options).then((done) => ({ result: done, code: exitStatusOf(done) }))
      : await firstBoot(agent, { waitMs, sleep: interruptibleSleep(signal).sleep, options });
  if (!isDryRun) await metricsWriter(agent)(pollOutcomeOf(result));
  if (flags['json']) print(`${JSON.stringify(resultDocument(result, isDryRun), null, 2)}\n`);
  else if (isDryRun) print(planText(result));
  return code;
}

async function stayResident(config: AgentConfig): Promise<number> {
  const signal = stopSignal();
  await runResident(agentOf(config), {
    signal,
    napper: interruptibleSleep(signal),
    random: Math.random,
    notifier: openNotifier(process.env['NOTIFY_SOCKET'], log),
    watchdogUsec: process.env['WATCHDOG_USEC'],
    now: () => new Date(),
    monotonic: process.hrtime.bigint,
    onHangup: (wake) => process.on('SIGHUP', wake),
    exec: execHere,
  });
  return EXIT.ok;
}

async function showStatus(config: AgentConfig, flags: Flags): Promise<number> {
  const status = await readStatus(config.stateDir, config.fleet, config.host);
  if (status === undefined || status === 'broken') {
    process.stderr.write(`${config.stateDir} holds no status: no pass has finished yet\n`);
    return EXIT.failure;
  }
  print(flags['json'] ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
  return status.error || status.files.some(({ state }) => state !== 'served') ? EXIT.partly : EXIT.ok;
}

async function examine(flags: Flags): Promise<number> {
  const haproxyConfig = flags['haproxy-config'] as string | undefined;
  const findings = await examineConfigured(configOf(flags), (config) => ({
    ...{ agent: agentOf(config), askerOf: socketOf, haproxyConfig },
    ...{ exec: execHere, uid: process.getuid?.() ?? -1 },
  }));
  print(findingsOutput(findings, flags['json'] === true));
  return exitStatusOfFindings(findings);
}

const socketOf = ({ haproxy }: AgentConfig) =>
  openSocket({ path: haproxy.statsSocket, timeoutMs: RUNTIME_TIMEOUT_MS });

function agentOf(config: AgentConfig): Agent {
  const runtime = new Runtime(socketOf(config), (ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  return {
    config,
    version: PEMFLEET_VERSION,
    openBucket: once(() => openHostBucket(config.bucket, process.env)),
    runtime,
    log,
    now: () => new Date(),
    ...(config.instances.length > 0 && { instances: instanceConfigs(config).map(agentOf) }),
  };
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.ok;
}

function failed(error: unknown, tell: Log): number {
  if (error instanceof ConfigError) {
    process.stderr.write(`pemfleet-agent: ${error.code}: ${error.message}\n`);
    return error.code === 'ERR_USAGE' ? EXIT.usage : EXIT.config;
  }
  tell('run.failed', { code: codeOf(error), message: messageOf(error) });
  return EXIT.failure;
}

process.umask(0o077);
// No top-level await: the single executable is CommonJS.
void main(process.argv.slice(2))
  .catch((error: unknown) => failed(error, log))
  .then((code) => {
    process.exitCode = code;
  });
