/** `pemfleet`: the operator's command. Composition root: argv, environment, clock and streams are touched here. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { openBucket } from '#contract/bucket/open.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { certificateName } from '#contract/layout.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { EXIT, exitStatusOf, outcomeTable, reportTable, USAGE } from './cli-output.ts';
import { loadConfig, runPass, type World } from './compose.ts';
import { type Config, configJsonSchema } from './config.ts';
import { ConfigError } from './errors.ts';
import { readFleetReports } from './fleet-reports.ts';
import { jsonLog, type Log, textLog } from './log.ts';
import { respondTo } from './responder.ts';
import { startFront } from './responder-front.ts';

const OPTIONS = {
  config: { type: 'string', short: 'c', default: '/etc/pemfleet/pemfleet.yaml' },
  only: { type: 'string', multiple: true },
  listen: { type: 'string', default: '127.0.0.1:8402' },
  timeout: { type: 'string', default: '900' },
  'dry-run': { type: 'boolean', default: false },
  'force-renewal': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  'log-format': { type: 'string', default: 'text' },
  quiet: { type: 'boolean', short: 'q', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

type Values = ReturnType<typeof parse>['values'];
type Command = (values: Values) => Promise<number>;

const now = () => new Date();
const say = (text: string) => process.stderr.write(text);
const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value, null, 2)}\n`);

const COMMANDS: Readonly<Record<string, Command>> = {
  run: (values) => pass(values, values['dry-run']),
  plan: (values) => pass(values, true),
  status,
  respond,
  schema: async () => {
    printJson(configJsonSchema());
    return EXIT.ok;
  },
  version: async () => {
    print(`${PEMFLEET_VERSION}\n`);
    return EXIT.ok;
  },
};

async function pass(values: Values, dryRun: boolean): Promise<number> {
  const { config, bucket } = await open(values);
  const only = values.only?.map((name) => knownName(config, name));
  const options = { dryRun, force: values['force-renewal'], ...(only !== undefined && { only }) };
  const outcomes = await runPass(bucket, config, options, world(values));
  if (values.json) printJson({ version: 1, outcomes });
  else say(outcomeTable(outcomes));
  return exitStatusOf(outcomes);
}

/** What every host serves; exit status 1 if any host is behind or silent. */
async function status(values: Values): Promise<number> {
  const { config, bucket } = await open(values);
  const reports = await readFleetReports(bucket, config, now());
  if (values.json) printJson({ version: 1, fleets: reports });
  else print(reportTable(reports));
  const isFine = reports.every(
    ({ certificates, silent }) =>
      silent.length === 0 && certificates.every(({ behind }) => behind.length === 0),
  );
  return isFine ? EXIT.ok : EXIT.failed;
}

/** The responder for hosts without Lambda; runs until SIGTERM or SIGINT. */
async function respond(values: Values): Promise<number> {
  const { bucket } = await open(values);
  const { hostname, port } = addressOf(values.listen);
  const onError = (error: unknown) => say(`${codeOf(error)} ${messageOf(error)}\n`);
  const front = await startFront({
    host: hostname,
    port,
    respond: (event) => respondTo(bucket, event),
    onError,
  });
  say(`responder listens on ${front.address}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await front.stop();
  return EXIT.ok;
}

async function open(values: Values): Promise<{ config: Config; bucket: Bucket }> {
  const config = await loadConfig(values.config);
  return { config, bucket: await openBucket(process.env['PEMFLEET_BUCKET'] ?? config.bucket) };
}

function world(values: Values): World {
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) throw new UsageError(`--timeout wants seconds, saw ${values.timeout}`);
  const deadline = new Date(Date.now() + seconds * 1000);
  const timing = { now, deadline, sleep: (ms: number) => sleep(ms) };
  return { timing, random: () => randomInt(2 ** 32) / 2 ** 32, log: logOf(values) };
}

function logOf(values: Values): Log {
  if (values.quiet) return () => undefined;
  return values['log-format'] === 'json' ? jsonLog(say, now) : textLog(say, now);
}

function knownName(config: Config, name: string) {
  const parsed = certificateName.safeParse(name);
  if (parsed.success && config.certificates.some((spec) => spec.name === parsed.data)) return parsed.data;
  const known = config.certificates.map((spec) => spec.name).join(', ');
  throw new UsageError(`--only ${name}: no such certificate; configured are ${known}`);
}

function addressOf(listen: string): { hostname: string; port: number } {
  const url = `http://${listen}`;
  if (!URL.canParse(url) || !/:\d+$/.test(listen))
    throw new UsageError(`--listen wants address:port, saw ${listen}`);
  return { hostname: new URL(url).hostname.replace(/^\[|\]$/g, ''), port: Number(listen.split(':').at(-1)) };
}

class UsageError extends Error {}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [name = 'help', ...rest] = positionals;
  if (values.help || name === 'help') {
    print(USAGE);
    return EXIT.ok;
  }
  const command = COMMANDS[name];
  if (command === undefined || rest.length > 0)
    throw new UsageError(`no such command: ${positionals.join(' ')}`);
  return command(values);
}

function failed(error: unknown): number {
  if (error instanceof UsageError) {
    say(`${error.message}\ntry: pemfleet --help\n`);
    return EXIT.usage;
  }
  // A message of several lines (config issues) is printed as it is.
  say(`${codeOf(error)} ${error instanceof ConfigError ? error.message : messageOf(error)}\n`);
  return error instanceof ConfigError ? EXIT.config : EXIT.failed;
}

process.exitCode = await main(process.argv.slice(2)).catch(failed);
