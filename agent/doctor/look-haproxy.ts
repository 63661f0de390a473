/** What HAProxy says of itself, asked without changing anything; its environment may hold secrets and is not kept. */
import { readFile, stat } from 'node:fs/promises';
import { codeOf } from '#contract/errors.ts';
import type { AgentConfig } from '../config/config.ts';
import { fieldIn, parseNames } from '../haproxy/answers.ts';
import { type RuntimeSocket, socketPathOf } from '../haproxy/socket.ts';
import { type HaproxyConfig, parseHaproxyConfig } from './haproxy-config.ts';

export interface SeenHaproxy {
  /** Permission bits of the stats socket. */
  socketMode: number | undefined;
  /** Why it cannot be asked, as code; then nothing else is known but perhaps the configuration. */
  code: string | undefined;
  /** Why the certificates cannot be asked for. */
  certificatesCode: string | undefined;
  version: string;
  isStopping: boolean;
  /** Its clock, where its answer tells. */
  now: Date | undefined;
  crtLists: readonly string[];
  /** Names of all certificates that it has loaded. */
  filenames: ReadonlySet<string>;
  /** Whose transaction is open. */
  transaction: string | undefined;
  config: HaproxyConfig | undefined;
  /** The file that could not be read, and the code; without it, nobody knows which file it is. */
  configUnread: { file: string; code: string } | undefined;
}

const DEFAULT_CONFIG = '/etc/haproxy/haproxy.cfg';

export async function lookAtHaproxy(
  ask: RuntimeSocket,
  { haproxy: { statsSocket, name } }: AgentConfig,
  configFile: string | undefined,
): Promise<SeenHaproxy> {
  const info = await ask({ verb: 'show info' }).then(
    ({ text }) => ({ text, code: undefined }),
    (error: unknown) => ({ text: '', code: codeOf(error) }),
  );
  const isThere = info.code === undefined;
  const env = isThere ? await environment(ask) : {};
  const field = (name: string) => fieldIn(info.text, name) ?? '';
  // Of several, nobody knows whose it is.
  const usual = name === undefined ? DEFAULT_CONFIG : undefined;
  const started = Number(field('Start_time_sec')) + Number(field('Uptime_sec'));
  return {
    socketMode: await stat(socketPathOf(statsSocket)).then(({ mode }) => mode & 0o777, missing),
    code: info.code,
    version: field('Version'),
    isStopping: field('Stopping') === '1',
    now: started > 0 ? new Date(started * 1000) : undefined,
    ...(isThere ? await lookAtCertificates(ask) : NOTHING),
    ...(await readConfig((configFile ?? env['HAPROXY_CFGFILES'] ?? usual)?.split(';'), env)),
  };
}

type SeenCertificates = Pick<SeenHaproxy, 'certificatesCode' | 'crtLists' | 'filenames' | 'transaction'>;

const NOTHING: SeenCertificates = {
  certificatesCode: undefined,
  crtLists: [],
  filenames: new Set(),
  transaction: undefined,
};

/** One listing, read fast: while it lasts, nobody can change a certificate. */
async function lookAtCertificates(ask: RuntimeSocket): Promise<SeenCertificates> {
  try {
    const crtLists = parseNames((await ask({ verb: 'show ssl crt-list' })).text);
    const names = parseNames((await ask({ verb: 'show ssl cert' })).text);
    return {
      certificatesCode: undefined,
      crtLists,
      filenames: new Set(names),
      transaction: names.find((name) => name.startsWith('*'))?.slice(1),
    };
  } catch (error) {
    return { ...NOTHING, certificatesCode: codeOf(error) };
  }
}

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
): Promise<Pick<SeenHaproxy, 'config' | 'configUnread'>> {
  if (files === undefined) return { config: undefined, configUnread: undefined };
  const texts: { file: string; text: string }[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => ({ code: codeOf(error) }));
    if (typeof text !== 'string') return { config: undefined, configUnread: { file, code: text.code } };
    texts.push({ file, text });
  }
  return { config: parseHaproxyConfig(texts, env), configUnread: undefined };
}

const missing = () => undefined;
