// The host of `npm run bench -- side`: a HAProxy with a site on plain HTTP and a bind for certificates that do not exist yet; and a CA.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type HostileCa, startHostileCa } from '../support/hostile-ca/hostile-ca.ts';
import { startDns } from '../support/parts/dns.ts';
import { type Haproxy, startHaproxy } from '../support/parts/haproxy.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export const NAME = 'www.example.com';

/** A host as it is before: HAProxy with a site on plain HTTP, and a bind for certificates that do not exist yet. */
const BARE = `global
    stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend http
    bind "\${PEMFLEET_HTTP_BIND}"
#CHALLENGES
    default_backend site
frontend https
    bind "\${PEMFLEET_HTTPS_BIND}" ssl crt "\${PEMFLEET_CERTS_DIR}" strict-sni
    default_backend site
backend site
    http-request return status 200
`;

export interface SideHost {
  dir: string;
  haproxy: Haproxy;
  /** Pebble, behind a certificate that every client takes */
  ca: HostileCa;
  /** for the client's own web server */
  port: number;
  /** A line of a shell, as it is typed. @throws if it fails */
  type(line: string, env?: Record<string, string>): Promise<string>;
  /** Puts lines into haproxy.cfg and reloads: one edit and one command. */
  configure(lines: string, backend?: string): Promise<void>;
  /** Goes on while the measurement lasts. */
  keep(part: { stop(): Promise<void> }): void;
  counts: { commands: number; failed: number; reloads: number };
}

export interface SideSubject {
  name: string;
  /** Brings what it needs; not timed. */
  open(say: (line: string) => void): Promise<{
    version: string;
    first(host: SideHost): Promise<void>;
    renew(host: SideHost): Promise<void>;
  }>;
}

const run = promisify(execFile);

export async function startSideHost(
  say: (line: string) => void,
): Promise<{ host: SideHost; stop: () => Promise<void> }> {
  const temp = makeTempDir();
  const parts: { stop(): Promise<void> }[] = [];
  const keep = (part: { stop(): Promise<void> }) => void parts.unshift(part);
  const workDir = join(temp.path, 'haproxy');
  mkdirSync(workDir);
  const haproxy = await startHaproxy({ version: '3.2', configText: BARE, workDir, masterWorker: true });
  keep(haproxy);
  const dns = await startDns();
  keep(dns);
  const pebble = await startPebble({ httpPort: haproxy.httpPort, dnsServer: dns.address, noSleep: true });
  keep(pebble);
  const ca = await startHostileCa({ pebble });
  keep(ca);
  const counts = { commands: 0, failed: 0, reloads: 0 };
  const type: SideHost['type'] = async (line, env = {}) => {
    counts.commands += 1;
    const done = run('bash', ['-c', line], {
      cwd: temp.path,
      env: { ...process.env, ...env },
      timeout: 120_000,
    });
    return done.then(
      ({ stdout }) => stdout,
      (error: Error & { stdout?: string; stderr?: string }) => {
        counts.failed += 1;
        say(`failed: ${line}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
        throw error;
      },
    );
  };
  const configure: SideHost['configure'] = async (lines, backend = '') => {
    counts.commands += 2;
    counts.reloads += 1;
    writeFileSync(join(workDir, 'haproxy.cfg'), `${BARE.replace('#CHALLENGES', lines)}${backend}`);
    await haproxy.reload();
  };
  const host = { dir: temp.path, haproxy, ca, port: await freePort(), type, configure, keep, counts };
  const stop = async () => {
    for (const part of parts) await part.stop();
    temp.remove();
  };
  return { host, stop };
}
