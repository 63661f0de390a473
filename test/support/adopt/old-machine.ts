// A machine as people have it before pemfleet: HAProxy serves what another program has put there. All of it belongs to one user who is not
// root, in a directory of his own.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { askAsVisitors } from '../../../lambda/init/apply/visitors.ts';
import { programPath } from '../../setup.mjs';
import { agentProgram } from '../agent/program.ts';
import { asRoot, NOBODY, type Typed, typeAs } from '../as-root.ts';
import { issuerProgram } from '../issuer/program.ts';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { freePort } from '../ports.ts';
import { type Part, startPart } from '../process.ts';
import { tempDir } from '../temp-dir.ts';

export interface OldMachineOptions {
  version: HaproxyVersion;
  /** What stands behind `ssl` on the bind, `HOME` for the directory; default: `crt HOME/haproxy/certs strict-sni`. */
  bind?: string;
  /** Of Pebble, which validates where HAProxy listens; default: a free one. */
  httpPort?: number;
}

export interface OldMachine {
  home: string;
  /** Where a deploy hook puts PEM files. */
  certs: string;
  haproxyConfig: string;
  configFile: string;
  https: number;
  http: number;
  /** Where HAProxy sends challenges. */
  standalone: number;
  socket: string;
  /** As its user. */
  own: () => void;
  start: () => Promise<Part>;
  adopt: (...words: string[]) => Typed;
  /** The same as words, for a test that goes on meanwhile. */
  adoptWords: (...words: string[]) => string[];
  /** Another command of pemfleet, with its configuration. */
  pemfleet: (command: string, ...words: string[]) => Typed;
  agent: (...words: string[]) => Typed;
  /** What --undo does with the state directory of the package. */
  forgetState: () => void;
  respond: (...words: string[]) => Promise<unknown>;
  /** The web server that a client's `webroot` needs, where HAProxy sends challenges. */
  respondFrom: (webroot: string) => Promise<void>;
  stopWeb: () => void;
  /** Fingerprint that a visitor gets. */
  visit: (name: string) => Promise<string | undefined>;
  /** All of the machine: mode, owner and content of each entry. */
  snapshot: () => Map<string, string>;
}

let issuer: string | undefined;

function programs(): { issuer: string; agent: string } {
  issuer ??= issuerProgram();
  const agent = agentProgram();
  for (const program of [issuer, agent]) chmodSync(dirname(program), 0o755);
  return { issuer, agent };
}

const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

export async function oldMachine(t: TestContext, options: OldMachineOptions): Promise<OldMachine> {
  const { version, bind = 'crt HOME/haproxy/certs strict-sni', httpPort } = options;
  const [home, elsewhere] = [tempDir(t), tempDir(t)];
  asRoot('chown', `${NOBODY}`, elsewhere);
  const [https, http, standalone] = [await freePort(), httpPort ?? (await freePort()), await freePort()];
  const haproxyDir = join(home, 'haproxy');
  const [certs, haproxyConfig, socket] = ['certs', 'haproxy.cfg', 'admin.sock'].map((name) =>
    join(haproxyDir, name),
  ) as [string, string, string];
  const configFile = join(home, 'etc', 'pemfleet.yaml');
  mkdirSync(join(home, 'etc'));
  mkdirSync(certs, { recursive: true });
  writeFileSync(
    haproxyConfig,
    `global
    stats socket ${socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend http
    bind 127.0.0.1:${http}
    acl is_acme path_beg /.well-known/acme-challenge/
    use_backend letsencrypt if is_acme
    http-request redirect scheme https unless is_acme
frontend https
    bind 127.0.0.1:${https} ssl ${bind.replaceAll('HOME', home)}
    http-request return status 200
backend letsencrypt
    server certbot 127.0.0.1:${standalone}
`,
  );
  const own = () => void asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, home);
  own();
  const { issuer: program, agent } = programs();
  const node = (file: string) => ['env', `PATH=/usr/bin:/bin`, `HOME=${home}`, process.execPath, file];
  const state = [`--state-dir`, join(elsewhere, 'state')];
  const config = ['--config', configFile];
  const adoptWords = (words: readonly string[]) => {
    const bucket = words.includes('--undo') ? [] : ['--bucket', `file://${home}/bucket`];
    return [...node(program), 'adopt', ...config, '--haproxy-config', haproxyConfig, ...bucket, ...words];
  };
  const webroots: string[] = [];
  const web = createServer(({ url = '' }, response) => {
    const file = join(webroots[0] ?? home, url);
    response.writeHead(existsSync(file) ? 200 : 404).end(existsSync(file) ? readFileSync(file) : '');
  });
  return {
    ...{ home, certs, haproxyConfig, configFile, https, http, standalone, socket, own },
    start: () => startOwnHaproxy(t, version, { config: haproxyConfig, socket, haproxyDir }),
    adoptWords: (...words) => ['setpriv', ...ids, ...adoptWords(words)],
    adopt: (...words) => typeAs(NOBODY, adoptWords(words)),
    pemfleet: (command, ...words) => typeAs(NOBODY, [...node(program), command, ...config, ...words]),
    agent: (...words) =>
      typeAs(NOBODY, [...node(agent), ...words, '--config', join(home, 'etc', 'agent.yaml'), ...state]),
    forgetState: () => void asRoot('rm', '-rf', join(elsewhere, 'state')),
    respond: async (...words) => {
      const part = await startPart({
        name: 'responder',
        command: 'setpriv',
        args: [...ids, ...node(program), 'respond', ...config, ...words],
        probe: async () => true,
      });
      t.after(() => part.stop());
    },
    respondFrom: (webroot) => {
      mkdirSync(webroot);
      return new Promise(
        (resolve) => void web.listen(standalone, '127.0.0.1', () => resolve(undefined)),
      ).then(() => {
        webroots.push(webroot);
        t.after(() => web.close());
      });
    },
    stopWeb: () => void web.close(),
    visit: async (name) => (await askAsVisitors([`127.0.0.1:${https}`], [name])).at(-1)?.certificate,
    snapshot: () => snapshotOf(home),
  };
}

async function startOwnHaproxy(
  t: TestContext,
  version: HaproxyVersion,
  { config, socket, haproxyDir }: { config: string; socket: string; haproxyDir: string },
) {
  const part = await startPart({
    name: 'HAProxy of an unprivileged user',
    command: 'setpriv',
    args: [
      ...ids,
      programPath(`haproxy-${version}`),
      '-W',
      '-S',
      join(haproxyDir, 'master.sock'),
      '-f',
      config,
    ],
    probe: async () => existsSync(socket),
  });
  t.after(() => part.stop());
  return part;
}

function snapshotOf(root: string): Map<string, string> {
  const walk = (directory: string): [string, string][] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry): [string, string][] => {
      const path = join(directory, entry.name);
      const { mode, uid, gid } = lstatSync(path);
      const content = entry.isSymbolicLink()
        ? readlinkSync(path)
        : entry.isFile()
          ? createHash('sha256').update(readFileSync(path)).digest('hex')
          : '';
      const own: [string, string] = [path.slice(root.length), `${mode.toString(8)} ${uid}:${gid} ${content}`];
      return entry.isDirectory() ? [own, ...walk(path)] : [own];
    });
  return new Map(walk(root).sort());
}
