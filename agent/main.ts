/** `pemfleet-agent`: the composition root. Only here are the command line, the environment, clock and chance read. */
import { fstatSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { openBucket } from '#contract/bucket/open.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import packageJson from '../package.json' with { type: 'json' };
import type { Agent } from './agent.ts';
import { type AgentConfig, loadConfig, OPTIONS } from './config.ts';
import { ConfigError } from './errors.ts';
import { Runtime } from './haproxy/runtime.ts';
import { openSocket } from './haproxy/socket.ts';
import { instanceConfigs } from './instances.ts';
import { type Log, lineLog } from './log.ts';
import { run } from './run.ts';
import { EXIT, exitStatusOf, planText, resultDocument, statusText } from './show.ts';
import { readStatus } from './state.ts';
import { sync } from './sync.ts';
import { USAGE } from './usage.ts';

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
  if (command === 'version') return print(`pemfleet-agent ${packageJson.version}\n`);
  const commands: Record<string, (config: AgentConfig, flags: Flags) => Promise<number>> = {
    sync: syncOnce,
    run: stayResident,
    status: showStatus,
  };
  const start = commands[command];
  if (start === undefined) throw new ConfigError('ERR_USAGE', `unknown command "${command}"; see --help`);
  const texts = Object.entries(flags).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value]] : [],
  );
  return start(
    await loadConfig({ flags: Object.fromEntries(texts), env: process.env, hostname: hostname() }),
    flags,
  );
}

function readCommandLine(argv: string[]): { command: string; flags: Flags } {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const settings = Object.fromEntries(['config', ...Object.keys(OPTIONS)].map((flag) => [flag, text]));
  const options = { ...settings, json: yes, 'dry-run': yes, retry: yes, help: { ...yes, short: 'h' } };
  try {
    const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
    if (positionals.length > 1) throw new TypeError(`one command, please, not ${positionals.join(' ')}`);
    return { command: positionals[0] ?? 'help', flags: values as Flags };
  } catch (error) {
    throw new ConfigError('ERR_USAGE', messageOf(error), { cause: error });
  }
}

async function syncOnce(config: AgentConfig, flags: Flags): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const isDryRun = flags['dry-run'] === true;
  const result = await sync(agentOf(config), {
    isDryRun,
    ignoresBackOff: flags['retry'] === true,
    signal: stop.signal,
  });
  if (flags['json']) print(`${JSON.stringify(resultDocument(result, isDryRun), null, 2)}\n`);
  else if (isDryRun) print(planText(result));
  return exitStatusOf(result);
}

async function stayResident(config: AgentConfig): Promise<number> {
  const stop = new AbortController();
  let wake: () => void = () => undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  stop.signal.addEventListener('abort', () => wake());
  process.on('SIGHUP', () => wake());
  const nap = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  await run({ agent: agentOf(config), signal: stop.signal, sleep: nap, random: Math.random });
  return EXIT.ok;
}

async function showStatus(config: AgentConfig, flags: Flags): Promise<number> {
  const status = await readStatus(config.stateDir, config.fleet, config.host);
  if (status === undefined || status === 'broken') {
    process.stderr.write(`${config.stateDir} holds no status: no pass has ended yet\n`);
    return EXIT.failure;
  }
  print(flags['json'] ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
  return status.error || status.files.some(({ state }) => state !== 'served') ? EXIT.partly : EXIT.ok;
}

function agentOf(config: AgentConfig): Agent {
  const socket = openSocket({ path: config.haproxy.statsSocket, timeoutMs: RUNTIME_TIMEOUT_MS });
  const runtime = new Runtime(socket, (ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  return {
    config,
    version: packageJson.version,
    openBucket: opener(config),
    runtime,
    log,
    now: () => new Date(),
    ...(config.instances.length > 0 && { instances: instanceConfigs(config).map(agentOf) }),
  };
}

/** Opened once; a failure is not kept. */
function opener({ bucket: url }: AgentConfig): () => Promise<Bucket> {
  let opened: Promise<Bucket> | undefined;
  return () => {
    opened ??= openBucket(url).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
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
process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => failed(error, log));
