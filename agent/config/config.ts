/**
 * The agent's settings: a flag beats the environment (`PEMFLEET_AGENT_…`), the environment the file, the file the default.
 * A typo is an error that names its path. Everything behind this file gets values of their final type.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { ConfigError, issueLines } from '#common/config-error.ts';
import { LOOPBACK_ADDRESS } from '#common/prometheus/metrics-server.ts';
import { TEXTFILE_PATH } from '#common/prometheus/text-format.ts';
import { SECOND_MS } from '#common/time.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { publicKey } from '#contract/statement.ts';
import { type HaproxySettings, haproxyList, haproxySchema } from './haproxy.ts';
import { gidOf, uidOf } from './owner.ts';
import { watchOf, watchSchema } from './watch.ts';

export const DEFAULT_CONFIG_FILE = '/etc/pemfleet/agent.yaml';

/** Octal digits, quoted or not: YAML reads 0600 as the decimal 600. World access is never right for a key. */
const mode = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine(
    (text) => /^0?[46][046]0$/.test(text),
    'must be octal, such as "0600" or "0640", without access for others',
  )
  .transform((text) => Number.parseInt(text, 8));

export const agentConfigSchema = z.strictObject({
  bucket: z
    .string()
    .refine((url) => URL.canParse(url), 'must be a URL, such as file:///var/lib/pemfleet/bucket')
    .describe('Bucket URL: s3://bucket/prefix or file:///absolute/path.'),
  fleet: fleetName.describe('Fleet whose certificates this host serves.'),
  host: hostName.describe("This host's name in its status; default: the host name in lower case."),
  haproxy: haproxySchema.prefault({}),
  pem: z
    .strictObject({
      mode: mode.default(0o600).describe('Permission bits of the PEM files.'),
      owner: z.coerce
        .string()
        .optional()
        .describe("User who owns the PEM files, name or number; default: the agent's user."),
      group: z.coerce
        .string()
        .optional()
        .describe("Group of the PEM files, name or number; default: the agent's group."),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      textfile: z
        .string()
        .regex(TEXTFILE_PATH, 'must be an absolute path that ends with .prom')
        .optional()
        .describe("File for node_exporter's textfile collector (FILE.prom); default: none."),
      listen: z
        .string()
        .regex(LOOPBACK_ADDRESS, 'must be a loopback address with its port, such as 127.0.0.1:9845')
        .optional()
        .describe(
          'Address and port where Prometheus scrapes /metrics, such as 127.0.0.1:9845; default: none.',
        ),
    })
    .prefault({}),
  trust: z
    .strictObject({
      key: publicKey
        .optional()
        .describe(
          'Key whose manifests this host takes ("pemfleet key show"); default: that of the first contact.',
        ),
      recoveryKey: publicKey
        .optional()
        .describe('Key that may name the next key when that one is lost or stolen.'),
      parameter: z
        .string()
        .regex(
          /^(arn:[a-z-]+:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/,
          'must be the name or the ARN of an SSM parameter',
        )
        .optional()
        .describe('SSM parameter that holds both keys, on AWS; default: none.'),
      version1Until: z.iso
        .date('must be a date, such as 2027-01-31')
        .transform((date) => new Date(date))
        .optional()
        .describe(
          'Until this date (0:00 UTC) manifests without a signature are taken, too; default: never again.',
        ),
    })
    .prefault({}),
  watch: watchSchema.prefault({}),
  pollInterval: z.coerce
    .number()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('Seconds between the polls of "run", give or take a tenth.'),
  stateDir: z
    .string()
    .regex(/^\//, 'must be an absolute path')
    .default('/var/lib/pemfleet-agent')
    .describe('Directory of the last good manifest, failures and the last status. No keys.'),
});

/** The flags of settings, each with the setting's path in the file. */
export const FLAGS: Readonly<Record<string, readonly string[]>> = {
  bucket: ['bucket'],
  fleet: ['fleet'],
  host: ['host'],
  'stats-socket': ['haproxy', 'statsSocket'],
  'certs-dir': ['haproxy', 'certsDir'],
  'crt-list-file': ['haproxy', 'crtListFile'],
  'crt-list': ['haproxy', 'crtList'],
  'haproxy-program': ['haproxy', 'program'],
  handshake: ['haproxy', 'handshake'],
  bufsize: ['haproxy', 'bufsize'],
  pace: ['haproxy', 'pace'],
  placeholder: ['haproxy', 'placeholder'],
  'pem-mode': ['pem', 'mode'],
  'pem-owner': ['pem', 'owner'],
  'pem-group': ['pem', 'group'],
  'metrics-textfile': ['metrics', 'textfile'],
  'metrics-listen': ['metrics', 'listen'],
  'trust-key': ['trust', 'key'],
  'trust-recovery-key': ['trust', 'recoveryKey'],
  'trust-parameter': ['trust', 'parameter'],
  'version1-until': ['trust', 'version1Until'],
  'look-within': ['watch', 'lookWithin'],
  'prove-within': ['watch', 'proveWithin'],
  'poll-interval': ['pollInterval'],
  'state-dir': ['stateDir'],
};

/** The environment variable of a flag: PEMFLEET_AGENT_STATS_SOCKET for `--stats-socket`. */
export function variableOf(flag: string): string {
  return `PEMFLEET_AGENT_${flag.toUpperCase().replaceAll('-', '_')}`;
}

export type AgentConfig = Awaited<ReturnType<typeof loadAgentConfig>> & {
  /** Of one of several HAProxy: those of the whole host. */
  hostPlaces?: TrustPlaces;
};

export interface ConfigSources {
  flags: Readonly<Record<string, string | undefined>>;
  env: Readonly<Record<string, string | undefined>>;
  hostname: string;
}

/** @throws ConfigError `ERR_CONFIG`, one line per culprit */
export async function loadAgentConfig({ flags, env, hostname }: ConfigSources) {
  const named = flags['config'] ?? env['PEMFLEET_AGENT_CONFIG'];
  const settings = await readSettings(named ?? DEFAULT_CONFIG_FILE, named !== undefined);
  setAt(settings, ['host'], (settings as { host?: unknown }).host ?? hostname.toLowerCase());
  for (const [flag, path] of Object.entries(FLAGS)) {
    const value = flags[flag] ?? env[variableOf(flag)];
    if (value !== undefined) setAt(settings, path, value);
  }
  const { pem, pollInterval, watch, ...rest } = parseSettings(settings);
  return {
    ...rest,
    pem: { mode: pem.mode, uid: await uidOf(pem.owner), gid: await gidOf(pem.group) },
    watch: watchOf(watch),
    pollIntervalMs: pollInterval * SECOND_MS,
  };
}

/** The settings of each HAProxy of a list, as if it were alone on its host; empty without a list. */
export function instanceConfigs(config: AgentConfig): AgentConfig[] {
  const hostPlaces = trustPlaces(config);
  return config.instances.map((haproxy) => ({
    ...config,
    haproxy,
    instances: [],
    stateDir: instanceStateDir(config, haproxy),
    hostPlaces,
  }));
}

/** Whose manifests a host takes is one question, however many HAProxy it has. */
export function trustPlaces(config: AgentConfig): TrustPlaces {
  if (config.hostPlaces !== undefined) return config.hostPlaces;
  const { stateDir, instances, haproxy } = config;
  const placeOf = (one: HaproxySettings) => ({
    stateDir: instanceStateDir(config, one),
    certsDir: one.certsDir,
  });
  return {
    stateDir,
    instances: instances.length > 0 ? instances.map(placeOf) : [{ stateDir, certsDir: haproxy.certsDir }],
  };
}

/** The agent's own, and the one with what the host's HAProxy share. */
export function stateDirectories(config: AgentConfig): string[] {
  return [...new Set([config.stateDir, trustPlaces(config).stateDir])];
}

/** Where the records of our files are a second time, and who reads them. */
export function ownershipPlace({ haproxy: { certsDir }, stateDir, fleet, host }: AgentConfig) {
  return { certsDir, stateDir, fleet, host };
}

/** Where records of a host are, and of each of its HAProxy. */
interface TrustPlaces {
  stateDir: string;
  instances: readonly { stateDir: string; certsDir: string }[];
}

function instanceStateDir({ stateDir }: { stateDir: string }, { name = '' }: HaproxySettings): string {
  return join(stateDir, name);
}

/**
 * @returns `haproxy`: the only HAProxy, or the first of the list; `instances`: all of the list, empty if there is none
 * @throws ConfigError `ERR_CONFIG`
 */
function parseSettings(settings: { haproxy?: unknown }) {
  const { haproxy: value, ...others } = settings;
  const isList = Array.isArray(value);
  const list = haproxyList.optional().safeParse(isList ? value : undefined);
  const parsed = agentConfigSchema.safeParse(isList ? others : settings);
  if (parsed.success && list.success) {
    const instances: readonly HaproxySettings[] = list.data ?? [];
    const haproxy: HaproxySettings = instances[0] ?? parsed.data.haproxy;
    return { ...parsed.data, haproxy, instances };
  }
  const inList = list.error?.issues.map((issue) => ({ ...issue, path: ['haproxy', ...issue.path] })) ?? [];
  throw new ConfigError('ERR_CONFIG', issueLines([...(parsed.error?.issues ?? []), ...inList]).join('\n'));
}

async function readSettings(path: string, isNamed: boolean): Promise<object> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !isNamed) return '';
    throw new ConfigError('ERR_CONFIG', `${path}: cannot be read (${error.code})`, { cause: error });
  });
  const settings = parseYaml(path, text) ?? {};
  if (typeof settings !== 'object' || Array.isArray(settings)) {
    throw new ConfigError('ERR_CONFIG', `${path}: wanted keys and values`);
  }
  return settings;
}

function parseYaml(path: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    // The first line of the message says what and where; the lines after it quote the file.
    const [what] = String((error as Error).message).split('\n');
    throw new ConfigError('ERR_CONFIG', `${path}: ${what}`);
  }
}

function setAt(settings: object, path: readonly string[], value: unknown): void {
  const [first = '', ...rest] = path;
  // A flag or variable cannot say which HAProxy of a list it means.
  if (Array.isArray(settings)) {
    throw new ConfigError('ERR_CONFIG', `haproxy: is a list in the file; ${first} can only be set there`);
  }
  const target = settings as Record<string, unknown>;
  if (rest.length === 0) {
    target[first] = value;
  } else {
    target[first] ??= {};
    setAt(target[first] as object, rest, value);
  }
}
