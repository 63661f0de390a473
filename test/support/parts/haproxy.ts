// A real HAProxy of one of four versions, with the configuration that we ship unless a test brings its own.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { programPath } from '../../setup.mjs';
import { freePort } from '../ports.ts';
import { type Part, type PartCommand, startPart, until } from '../process.ts';
import { makeTempDir } from '../temp-dir.ts';

export const haproxyVersions = ['2.6', '3.0', '3.2', '3.4'] as const;
export type HaproxyVersion = (typeof haproxyVersions)[number];

export interface HaproxyOptions {
  version: HaproxyVersion;
  /** default: agent/host/haproxy.cfg */
  configFile?: string;
  /** a configuration of the test's own; the variables of the reference configuration are set for it too */
  configText?: string;
  env?: Record<string, string>;
  /** kept at stop; default: a temporary one */
  workDir?: string;
  httpPort?: number;
  httpsPort?: number;
  /** as systemd runs it: a master, and a worker that a reload replaces. Without: one process. */
  masterWorker?: boolean;
  deadlineMs?: number;
}

export interface Haproxy {
  version: HaproxyVersion;
  /** stats socket, level admin */
  socket: string;
  /** with `masterWorker` only */
  masterSocket: string;
  /** mode 0700; what a test puts there is read at `restart` and `reload` */
  certsDir: string;
  httpPort: number;
  httpsPort: number;
  /** of the process that serves */
  pid(): Promise<number>;
  /** One raw Runtime API command, and all of its answer; a payload brings its own blank line. */
  command(command: string): Promise<string>;
  /** Resolves when a new worker serves; rejects when the new one could not start. */
  reload(): Promise<void>;
  restart(): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

const referenceConfig = fileURLToPath(new URL('../../../agent/host/haproxy.cfg', import.meta.url));
/** Nothing waits for it but what has failed: a busy machine is no failure. */
const defaultDeadlineMs = 60_000;

export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const dir = options.workDir ? { path: options.workDir, remove: () => undefined } : makeTempDir();
  const endpoints = await makeEndpoints(dir.path, options);
  const start = commandOf(options, dir.path, endpoints);
  try {
    const running = await run(start, endpoints, options.deadlineMs ?? defaultDeadlineMs);
    return {
      version: options.version,
      ...endpoints,
      ...running,
      stop: () => running.stop().finally(dir.remove),
    };
  } catch (error) {
    dir.remove();
    throw error;
  }
}

interface Endpoints {
  socket: string;
  masterSocket: string;
  certsDir: string;
  httpPort: number;
  httpsPort: number;
}

async function makeEndpoints(dir: string, options: HaproxyOptions): Promise<Endpoints> {
  const certsDir = join(dir, 'certs');
  mkdirSync(certsDir, { recursive: true, mode: 0o700 });
  const [httpPort, httpsPort] = [
    options.httpPort ?? (await freePort()),
    options.httpsPort ?? (await freePort()),
  ];
  return {
    socket: join(dir, 'admin.sock'),
    masterSocket: join(dir, 'master.sock'),
    certsDir,
    httpPort,
    httpsPort,
  };
}

function commandOf(options: HaproxyOptions, dir: string, endpoints: Endpoints): PartCommand {
  const ownConfig = join(dir, 'haproxy.cfg');
  if (options.configText !== undefined) writeFileSync(ownConfig, options.configText);
  const configFile = options.configText === undefined ? (options.configFile ?? referenceConfig) : ownConfig;
  const master = options.masterWorker ? ['-W', '-S', `${endpoints.masterSocket},mode,600`] : [];
  return {
    name: `HAProxy ${options.version}`,
    command: programPath(`haproxy-${options.version}`),
    args: [...master, '-f', configFile],
    env: {
      PEMFLEET_HTTP_BIND: `127.0.0.1:${endpoints.httpPort}`,
      PEMFLEET_HTTPS_BIND: `127.0.0.1:${endpoints.httpsPort}`,
      PEMFLEET_CERTS_DIR: endpoints.certsDir,
      PEMFLEET_SOCKET: endpoints.socket,
      PEMFLEET_SOCKET_GROUP: ownGroup(),
      // a closed port: a test without a responder must not meet one that runs on this machine
      PEMFLEET_RESPONDER: '127.0.0.1:1',
      PEMFLEET_UNPRIVILEGED: '1',
      ...options.env,
    },
    probe: async () =>
      (await pidOf(endpoints.socket)) > 0 && (!options.masterWorker || (await isMasterUp(endpoints))),
    deadlineMs: options.deadlineMs ?? defaultDeadlineMs,
  };
}

/** The living part behind one `Haproxy`: a restart puts another process behind the same endpoints. */
async function run(start: PartCommand, endpoints: Endpoints, deadlineMs: number) {
  let part: Part = await startPart(start);
  const pid = () => pidOf(endpoints.socket);
  return {
    pid,
    command: (command: string) => ask(endpoints.socket, command),
    reload: async () => {
      if (!start.args.includes('-W')) throw new TypeError('only a HAProxy with masterWorker reloads');
      const before = await pid();
      const logged = part.log().length;
      await until(() => isMasterUp(endpoints), part.ended, deadlineMs);
      process.kill(part.pid, 'SIGUSR2');
      // for a moment both workers accept connections: the old one's last word (to the log, or as a warning) ends it
      const isOldStopped = () => /^(\[WARNING\].*: )?Proxy \S+ stopped/m.test(part.log().slice(logged));
      const isReloaded = async () => isOldStopped() && (await pid()) !== before;
      await until(isReloaded, () => reloadFailure(part, logged), deadlineMs);
    },
    restart: async () => {
      await part.stop();
      part = await startPart(start);
    },
    log: () => part.log(),
    stop: () => part.stop(),
  };
}

function reloadFailure(part: Part, logged: number): string | undefined {
  const news = part.log().slice(logged);
  return (
    part.ended() ??
    (/Loading failure|Failed to load worker/.test(news) ? `a refused reload:\n${news}` : undefined)
  );
}

const pidOf = async (socket: string) => Number((await ask(socket, 'show info')).match(/^Pid: (\d+)/m)?.[1]);

/** The master of 2.6 and 3.0 re-executes itself after each attempt to start a worker, and loses a signal that comes before. */
const isMasterUp = async ({ masterSocket }: Endpoints) =>
  (await ask(masterSocket, 'show proc\nquit')).includes('worker');

/** One connection a command, read to its end: the only dialogue that is the same in all versions. */
function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.write(`${command}\n`));
    let answer = '';
    connection.setTimeout(defaultDeadlineMs, () => connection.destroy(new Error('HAProxy did not answer')));
    connection.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    connection.once('error', reject).once('close', () => resolve(answer));
  });
}

/** The group's name: HAProxy wants no number here. */
function ownGroup(): string {
  const gid = String(process.getgid?.());
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === gid);
  if (!line) throw new Error(`group ${gid} has no name in /etc/group`);
  return line.split(':')[0] as string;
}
