/**
 * The whole of pemfleet on one machine: CA, DNS, HAProxy, responder, issuer and agent, each a process of its own
 * started by the command that a user would type, with a directory in the bucket's place.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { startCaddy } from '../support/parts/caddy.ts';
import { type Dns, startDns } from '../support/parts/dns.ts';
import { type Haproxy, type HaproxyVersion, startHaproxy } from '../support/parts/haproxy.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../support/parts/pebble.ts';
import type { TestCa } from '../support/parts/test-ca.ts';
import { canConnect, freePort } from '../support/ports.ts';
import { type Part, startPart } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { type Finished, finish, type RunOptions } from './finish.ts';

export interface OrderedCertificate {
  name?: string;
  identifiers: string[];
  keyType?: string;
  keyTypes?: string[];
  reuseKey?: boolean;
  profile?: string;
  fleets?: string[];
}

export interface StageOptions {
  certificates: OrderedCertificate[];
  haproxyVersion?: HaproxyVersion;
  pebble?: PebbleOptions;
  /** Told when a part is up. */
  onPart?: (name: string, where: string) => void;
}

export interface CaStage {
  dir: string;
  bucketDir: string;
  ca: TestCa;
  haproxy: Haproxy;
  configFile: string;
  /** Rewrites pemfleet.yaml; `changes` takes the place of its other keys. */
  configure(certificates: OrderedCertificate[], changes?: object): void;
  /** PEM of the published leaf (the first of a pair). */
  leafOf(name: string): Promise<string>;
  /** Makes the next pass ask the CA for all windows again. */
  forgetWindows(): Promise<void>;
  /** `pemfleet …` */
  issuer(args: string[], options?: RunOptions): Promise<Finished>;
  /** `pemfleet-agent …` */
  agent(args: string[], options?: RunOptions): Promise<Finished>;
  /** `pemfleet-agent run` */
  startAgent(options?: { pollSeconds?: number }): Promise<Part>;
  stop(): Promise<void>;
}

export interface Stage extends CaStage {
  pebble: Pebble;
  dns: Dns;
}

const program = (name: string) => fileURLToPath(new URL(`../../dist/${name}/index.mjs`, import.meta.url));

export function startStage(options: StageOptions): Promise<Stage> {
  return startWith(options, async (haproxy, up) => {
    const dns = await startDns();
    up(dns, 'DNS for the CA', dns.address);
    const pebble = await startPebble({
      httpPort: haproxy.httpPort,
      dnsServer: dns.address,
      ...options.pebble,
    });
    up(pebble, 'Pebble (ACME CA)', pebble.directoryUrl);
    return { ca: pebble, pebble, dns };
  });
}

/** With Caddy's ACME server in Pebble's place. */
export function startCaddyStage(options: StageOptions): Promise<CaStage> {
  return startWith(options, async ({ httpPort }, up) => {
    const ca = await startCaddy({ httpPort });
    up(ca, 'Caddy (ACME CA)', ca.directoryUrl);
    return { ca };
  });
}

type Up = (part: { stop: () => Promise<void> }, name: string, where: string) => void;

async function startWith<T extends { ca: TestCa }>(
  options: StageOptions,
  startCa: (haproxy: Haproxy, up: Up) => Promise<T>,
): Promise<CaStage & T> {
  const temp = makeTempDir();
  const parts: { stop: () => Promise<void> }[] = [];
  const stop = async () => {
    for (const part of parts.reverse()) await part.stop();
    temp.remove();
  };
  const up: Up = (part, name, where) => {
    parts.push(part);
    options.onPart?.(name, where);
  };
  try {
    const responder = `127.0.0.1:${await freePort()}`;
    const haproxy = await startHaproxy({
      version: options.haproxyVersion ?? '3.2',
      env: { PEMFLEET_RESPONDER: responder },
    });
    up(
      haproxy,
      `HAProxy ${haproxy.version}`,
      `http 127.0.0.1:${haproxy.httpPort}, https 127.0.0.1:${haproxy.httpsPort}`,
    );
    const authority = await startCa(haproxy, up);
    const files = writeFiles(temp.path, options.certificates, authority.ca, haproxy);
    up(await startResponder(responder, files.configFile), 'responder', responder);
    return {
      ...programs(files, parts),
      ...readers(files.bucketDir),
      ...files,
      ...authority,
      dir: temp.path,
      haproxy,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The `acme` of pemfleet.yaml. */
export function acmeOf({ directoryUrl, caFile }: TestCa) {
  return { directoryUrl, caFile, termsOfServiceAgreed: true };
}

interface Files {
  bucketDir: string;
  configFile: string;
  agentFile: string;
  configure: CaStage['configure'];
}

/** The agent's configuration on this HAProxy, with a state directory below `dir`. */
export function agentConfigOf(
  haproxy: Haproxy,
  dir: string,
  { bucket, host }: { bucket: string; host: string },
) {
  const stateDir = join(dir, 'agent');
  mkdirSync(stateDir, { mode: 0o700 });
  const settings = {
    statsSocket: haproxy.socket,
    certsDir: haproxy.certsDir,
    handshake: [`127.0.0.1:${haproxy.httpsPort}`],
  };
  return { bucket, fleet: 'default', host, haproxy: settings, stateDir };
}

function writeFiles(dir: string, certificates: OrderedCertificate[], ca: TestCa, haproxy: Haproxy): Files {
  const bucketDir = join(dir, 'bucket');
  const configFile = join(dir, 'pemfleet.yaml');
  const agentFile = join(dir, 'agent.yaml');
  const bucket = `file://${bucketDir}`;
  const configure = (ordered: OrderedCertificate[], changes: object = {}) =>
    writeFileSync(
      configFile,
      stringify(
        { bucket, acme: acmeOf(ca), certificates: ordered, ...changes },
        { aliasDuplicateObjects: false },
      ),
    );
  configure(certificates);
  writeFileSync(agentFile, stringify(agentConfigOf(haproxy, dir, { bucket, host: 'host-1' })));
  return { bucketDir, configFile, agentFile, configure };
}

function readers(bucketDir: string) {
  return {
    leafOf: async (name: string) => {
      const manifest = JSON.parse(await readFile(join(bucketDir, 'published/default/root.json'), 'utf8'));
      const { sha256 } = manifest.certificates[name].pems[0];
      const pem = await readFile(join(bucketDir, `published/default/pem/${name}/${sha256}.pem`), 'utf8');
      return pem.slice(0, pem.indexOf('-----END CERTIFICATE-----') + '-----END CERTIFICATE-----\n'.length);
    },
    forgetWindows: () => rm(join(bucketDir, 'issuer/renewal-info.json')),
  };
}

function startResponder(address: string, configFile: string): Promise<Part> {
  return startPart({
    name: 'responder',
    command: process.execPath,
    args: [program('cli'), 'respond', '--config', configFile, '--listen', address],
    probe: () => canConnect(address),
  });
}

function programs({ configFile, agentFile }: Files, parts: { stop: () => Promise<void> }[]) {
  return {
    issuer: (args: string[], options?: RunOptions) =>
      finish(program('cli'), [...args, '--config', configFile], options),
    agent: (args: string[], options?: RunOptions) =>
      finish(program('agent'), [...args, '--config', agentFile], options),
    startAgent: async ({ pollSeconds = 1 } = {}) => {
      const args = [program('agent'), 'run', '--config', agentFile, '--poll-interval', String(pollSeconds)];
      // Up means that it has begun: what it does then is what tests look at.
      const part = await startPart({
        name: 'agent',
        command: process.execPath,
        args,
        probe: async () => true,
      });
      parts.push(part);
      return part;
    },
  };
}
