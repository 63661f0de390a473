/**
 * The agent's settings: a flag beats the environment (`PEMFLEET_AGENT_…`), the environment the file, the file the default.
 * A typo is an error that names its path. Everything behind this file gets values of their final type.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { explainIssues } from '#common/settings/explain.ts';
import { readSettingsText } from '#common/settings/read-text.ts';
import type { JsonSchema } from '#common/settings/schema-keys.ts';
import { parseSettings, type SettingsFile } from '#common/settings/settings-file.ts';
import { SECOND_MS } from '#common/time.ts';
import { type HaproxySettings, haproxyList } from './haproxy.ts';
import { AGENT_WORDS } from './known-words.ts';
import { gidOf, uidOf } from './owner.ts';
import { agentConfigSchema, agentJsonSchema } from './schema.ts';
import { watchOf } from './watch.ts';

export const DEFAULT_CONFIG_FILE = '/etc/pemfleet/agent.yaml';

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
  const named = flags['config'] ?? (env['PEMFLEET_AGENT_CONFIG'] || undefined);
  const source = readSettings(named ?? DEFAULT_CONFIG_FILE, named !== undefined);
  const settings = source.value as object;
  const origins = new Map<string, string>();
  setAt(settings, ['host'], (settings as { host?: unknown }).host ?? hostname.toLowerCase());
  for (const [flag, path] of Object.entries(FLAGS)) {
    const [variable, ofFlag] = [variableOf(flag), flags[flag]];
    const value = ofFlag ?? env[variable];
    if (value === undefined) continue;
    setAt(settings, path, value);
    origins.set(path.join('.'), ofFlag === undefined ? variable : `--${flag}`);
  }
  const { pem, pollInterval, watch, ...rest } = parseAgentSettings(source, origins);
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
 * @param origins by path: the flag or variable that has set it
 * @returns `haproxy`: the only HAProxy, or the first of the list; `instances`: all of the list, empty if there is none
 * @throws ConfigError `ERR_CONFIG`
 */
function parseAgentSettings(source: SettingsFile, origins: ReadonlyMap<string, string>) {
  const settings = source.value as { haproxy?: unknown };
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
  const lines = explainIssues(source, [...(parsed.error?.issues ?? []), ...inList], {
    schema: agentJsonSchema() as JsonSchema,
    words: AGENT_WORDS,
    originOf: (path) => origins.get(path.join('.')) ?? originOfEntry(path, origins),
  });
  throw new ConfigError('ERR_CONFIG', (isMissing(source) ? withoutFile(source, lines) : lines).join('\n'));
}

const isMissing = ({ file }: SettingsFile) => !existsSync(file);

/** Lines and columns of a file that is not there help nobody. Where all faults are of flags and variables, none is missed. */
function withoutFile({ file }: SettingsFile, lines: readonly string[]): string[] {
  const place = `${file}:1:1: `;
  const isMissed = lines.some((line) => line.startsWith(place));
  return [
    ...(isMissed ? [`${file}: there is no such file; "pemfleet init" writes one`] : []),
    ...lines.map((line) => line.replace(place, '')),
  ];
}

/** An entry of a list that a flag has set. */
function originOfEntry(path: readonly PropertyKey[], origins: ReadonlyMap<string, string>) {
  return typeof path.at(-1) === 'number' ? origins.get(path.slice(0, -1).join('.')) : undefined;
}

const KIND = {
  name: 'agent.yaml',
  environment: 'or set it by a flag or a variable PEMFLEET_AGENT_… (pemfleet-agent --help)',
  // Commands may hold words for a shell.
  mayHoldVariables: (path: readonly PropertyKey[]) => path.includes('reload'),
};

/** A host can be told everything by flags and variables: the default file may be missing or empty. */
function readSettings(path: string, isNamed: boolean): SettingsFile {
  const text = isNamed || existsSync(path) ? readSettingsText(path) : '';
  const source = parseSettings(path, text, KIND);
  const value = source.value ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ConfigError('ERR_CONFIG', `${path}:1:1: wanted keys and values`);
  }
  return { ...source, value };
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
