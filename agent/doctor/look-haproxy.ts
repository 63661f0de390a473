/** Asks HAProxy about itself, and changes nothing. Its environment may hold secrets and is not kept. */
import { stat } from 'node:fs/promises';
import { codeOf } from '#contract/errors.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { AgentConfig } from '../config/config.ts';
import { fieldIn, parseAcme, parseNames } from '../haproxy/answers.ts';
import { type RuntimeSocket, socketPathOf } from '../haproxy/socket.ts';
import { type HaproxyConfig, parseHaproxyConfig } from './haproxy-config.ts';

export interface HaproxyFacts {
  /** Permission bits of the stats socket. */
  socketMode: number | undefined;
  /** Error code if it does not answer; then only the configuration may be known. */
  code: string | undefined;
  /** Error code if it does not list its certificates. */
  certificatesCode: string | undefined;
  version: string;
  isStopping: boolean;
  /** Its clock, if `show info` gives it. */
  now: Date | undefined;
  crtLists: readonly string[];
  /** Names of all loaded certificates. */
  filenames: ReadonlySet<string>;
  /** File name of the certificate whose transaction is open. */
  transaction: string | undefined;
  /** Certificates that HAProxy issues by itself (3.2), each with its acme section. */
  acme: ReadonlyMap<string, string>;
  config: HaproxyConfig | undefined;
  /** The file that cannot be read. If `config` is undefined, too, HAProxy does not say which file it reads. */
  configUnread: { file: string; code: string } | undefined;
}

const DEFAULT_CONFIG = '/etc/haproxy/haproxy.cfg';

export async function lookAtHaproxy(
  ask: RuntimeSocket,
  { haproxy: { statsSocket, name } }: AgentConfig,
  configFile: string | undefined,
): Promise<HaproxyFacts> {
  const info = await ask({ verb: 'show info' }).then(
    ({ text }) => ({ text, code: undefined }),
    (error: unknown) => ({ text: '', code: codeOf(error) }),
  );
  const isUp = info.code === undefined;
  const env = isUp ? await environment(ask) : {};
  const field = (name: string) => fieldIn(info.text, name) ?? '';
  // With several HAProxy, the default file could be that of any of them.
  const defaultConfig = name === undefined ? DEFAULT_CONFIG : undefined;
  const started = Number(field('Start_time_sec')) + Number(field('Uptime_sec'));
  return {
    socketMode: await stat(socketPathOf(statsSocket)).then(({ mode }) => mode & 0o777, missing),
    code: info.code,
    version: field('Version'),
    isStopping: field('Stopping') === '1',
    now: started > 0 ? new Date(started * 1000) : undefined,
    ...(isUp ? await lookAtCertificates(ask) : NO_CERTIFICATES),
    ...(await readConfig((configFile ?? env['HAPROXY_CFGFILES'] ?? defaultConfig)?.split(';'), env)),
  };
}

type LoadedCertificates = Pick<
  HaproxyFacts,
  'certificatesCode' | 'crtLists' | 'filenames' | 'transaction' | 'acme'
>;

const NO_CERTIFICATES: LoadedCertificates = {
  certificatesCode: undefined,
  crtLists: [],
  filenames: new Set(),
  transaction: undefined,
  acme: new Map(),
};

/** One listing, read without a pause: while it lasts, no certificate can change. */
async function lookAtCertificates(ask: RuntimeSocket): Promise<LoadedCertificates> {
  try {
    const crtLists = parseNames((await ask({ verb: 'show ssl crt-list' })).text);
    const names = parseNames((await ask({ verb: 'show ssl cert' })).text);
    return {
      certificatesCode: undefined,
      crtLists,
      filenames: new Set(names),
      acme: await acmeOf(ask),
      transaction: names.find((name) => name.startsWith('*'))?.slice(1),
    };
  } catch (error) {
    return { ...NO_CERTIFICATES, certificatesCode: codeOf(error) };
  }
}

/** HAProxy before 3.2 does not know the command. */
const acmeOf = (ask: RuntimeSocket) =>
  ask({ verb: 'acme status' }).then(
    ({ text }) => parseAcme(text),
    () => new Map<string, string>(),
  );

async function environment(ask: RuntimeSocket): Promise<Record<string, string>> {
  const { text } = await ask({ verb: 'show env' }).catch(() => ({ text: '' }));
  const pairs = text
    .split('\n')
    .map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]);
  return Object.fromEntries(pairs.filter(([name]) => name !== ''));
}

async function readConfig(
  files: readonly string[] | undefined,
  env: Record<string, string>,
): Promise<Pick<HaproxyFacts, 'config' | 'configUnread'>> {
  if (files === undefined) return { config: undefined, configUnread: undefined };
  const texts: { file: string; text: string }[] = [];
  for (const file of files) {
    const read = await readRegularFile(file, MAX_FOREIGN_BYTES).catch((error: unknown) => codeOf(error));
    if (typeof read === 'string') return { config: undefined, configUnread: { file, code: read } };
    texts.push({ file, text: read.toString('utf8') });
  }
  return { config: parseHaproxyConfig(texts, env), configUnread: undefined };
}

const missing = () => undefined;
