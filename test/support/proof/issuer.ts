/** The issuer of the fleets: the real one, whose passes run in this process, against Pebble and a directory bucket. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { stringify } from 'yaml';
import { MINUTE_MS } from '#common/time.ts';
import { type CertificateName, certificateName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { commandActor } from '../../../lambda/audit/actor.ts';
import { AuditTrail } from '../../../lambda/audit/trail.ts';
import { startResponderServer } from '../../../lambda/commands/responder-server.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import { machineIdentity } from '../../../lambda/identity/identity.ts';
import type { PassResult } from '../../../lambda/outcome.ts';
import { afterPass } from '../../../lambda/pass/after-pass.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
import { respondTo } from '../../../lambda/responder.ts';
import {
  type KeyChange,
  nameRecoveryKey,
  recoverKey,
  rotateKey,
} from '../../../lambda/signing/change-key.ts';
import { readRecoveryKey } from '../../../lambda/signing/recovery-file.ts';
import { loadConfigFile, runPassExclusively } from '../../../lambda/wiring.ts';
import { type Finished, finish, type RunOptions } from '../../e2e/finish.ts';
import { recordEvents } from '../issuer/events.ts';
import { startDns } from '../parts/dns.ts';
import { type Pebble, startPebble } from '../parts/pebble.ts';
import { freePort } from '../ports.ts';
import { makeTempDir } from '../temp-dir.ts';
import type { Keep } from '../together.ts';

/** It stays the same issuer where its files are copied to. */
const IDENTITY = { PEMFLEET_ISSUER: 'proof' };

export interface ConfiguredCertificate {
  name: string;
  identifiers: string[];
  fleets: string[];
}

/** An authority with its way to the responder. */
export interface Authority {
  pebble: Pebble;
  /** Answers its challenges from these buckets. */
  answerFrom(bucketDir: string): void;
  /** No challenge for the name succeeds from now on. */
  refuse(servername: string): Promise<void>;
}

export async function startAuthority(keep: Keep): Promise<Authority> {
  const dns = await startDns();
  keep(dns.stop);
  const httpPort = await freePort();
  const pebble = await startPebble({ httpPort, dnsServer: dns.address });
  keep(pebble.stop);
  const buckets = new Set<string>();
  const front = await startResponderServer({
    host: '127.0.0.1',
    port: httpPort,
    respond: async (event) => {
      // A token is in one of them; opening one that is gone would make it anew.
      for (const bucketDir of buckets) {
        if (!existsSync(join(bucketDir, 'challenge'))) continue;
        const answer = await respondTo(await openBucket(pathToFileURL(bucketDir).href), event);
        if (answer.statusCode === 200) return answer;
      }
      return { statusCode: 404, headers: {}, body: '' };
    },
    onError: (error) => {
      throw error;
    },
  });
  keep(front.stop);
  const answerFrom = (bucketDir: string) => void buckets.add(bucketDir);
  // Nothing listens there.
  const refuse = (servername: string) => dns.addHost(servername, '127.0.0.9');
  return { pebble, answerFrom, refuse };
}

/** A leaf that the issuer ordered; a later one has a higher number. */
export interface OrderedLeaf {
  names: readonly string[];
  number: number;
}

export class FleetIssuer {
  readonly #authority: Authority;
  readonly #configFile: string;
  #certificates: readonly ConfiguredCertificate[] = [];
  #bucketDir: string;
  /** Its clock is ahead of this machine's. */
  aheadMs = 0;
  readonly events = recordEvents();
  /** By serial. */
  readonly issued: Map<string, OrderedLeaf>;
  /** Files that `issued` was made of. */
  readonly #registered = new Set<string>();

  constructor(
    authority: Authority,
    dir: string,
    bucketDir: string,
    issued: ReadonlyMap<string, OrderedLeaf> = new Map(),
  ) {
    this.issued = new Map(issued);
    this.#authority = authority;
    this.#configFile = join(dir, 'pemfleet.yaml');
    this.#bucketDir = bucketDir;
    this.moveTo(bucketDir);
  }

  get bucketDir(): string {
    return this.#bucketDir;
  }

  /** As `PassOptions.only` takes them. */
  specNames(...names: string[]): CertificateName[] {
    return names.map((name) => certificateName.parse(name));
  }

  get certificates(): readonly ConfiguredCertificate[] {
    return this.#certificates;
  }

  /** Its configuration names this bucket from now on. */
  moveTo(bucketDir: string): void {
    this.#bucketDir = bucketDir;
    this.#authority.answerFrom(bucketDir);
    this.configure(this.#certificates);
  }

  configure(certificates: readonly ConfiguredCertificate[], changes: object = {}): void {
    this.#certificates = certificates;
    const { directoryUrl, caFile } = this.#authority.pebble;
    const config = {
      bucket: pathToFileURL(this.#bucketDir).href,
      acme: { directoryUrl, caFile, termsOfServiceAgreed: true },
      certificates,
      ...changes,
    };
    writeFileSync(this.#configFile, stringify(config, { aliasDuplicateObjects: false }));
  }

  /** `pemfleet run`. */
  async pass(options: PassOptions = {}): Promise<PassResult> {
    const config = await loadConfigFile(this.#configFile, parseConfig);
    const bucket = await openBucket(config.bucket);
    const now = () => this.#now();
    const timing = {
      now,
      sleep: (ms: number) => sleep(ms),
      deadline: new Date(now().getTime() + 10 * MINUTE_MS),
    };
    const { log } = this.events;
    const identity = await machineIdentity(this.#configFile, IDENTITY);
    const audit = new AuditTrail(bucket, commandActor(['run'], {}, undefined), now);
    const request = { bucket, config, options, timing, random: () => 0, log, identity, audit };
    const result = await runPassExclusively(request);
    // What hosts report is kept for the next pass, as `pemfleet run` does it.
    await afterPass({ bucket, config, log, timing }, undefined, result);
    this.registerPublished();
    return result;
  }

  /** Whoever ran it: the PEMs of the bucket that the authority gave. */
  registerPublished(): void {
    const published = join(this.#bucketDir, 'published');
    if (!existsSync(published)) return;
    const files = readdirSync(published, { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((one) => one.endsWith('.pem') && !this.#registered.has(one))) {
      this.#registered.add(file);
      const {
        issuer,
        serialNumber,
        subjectAltName = '',
      } = new X509Certificate(readFileSync(join(published, file)));
      if (!issuer.includes('Pebble') || this.issued.has(serialNumber)) continue;
      const names = subjectAltName.split(', ').map((name) => name.replace(/^DNS:/, ''));
      this.issued.set(serialNumber, { names, number: this.issued.size });
    }
  }

  /** Its CA says of this certificate that the time for its renewal has come. */
  async wantRenewed(pem: string): Promise<void> {
    const suggestedWindow = { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' };
    await this.#authority.pebble.setRenewalInfo(pem, { suggestedWindow });
    rmSync(join(this.#bucketDir, layout.renewalInfo), { force: true });
  }

  /** `pemfleet key recovery-key --out FILE`. */
  async nameRecoveryKey(file: string): Promise<void> {
    await nameRecoveryKey(await this.#keyChange(), file);
  }

  /** `pemfleet key recover --recovery-key FILE`. */
  async recoverKey(file: string): Promise<void> {
    await recoverKey(await this.#keyChange(), await readRecoveryKey(file));
  }

  /** `pemfleet key rotate`. */
  async rotateKey(): Promise<void> {
    await rotateKey(await this.#keyChange());
  }

  async #keyChange(): Promise<KeyChange> {
    const { bucket, certificates } = await loadConfigFile(this.#configFile, parseConfig);
    const configured = certificates.flatMap(({ fleets }) => fleets);
    return { bucket: await openBucket(bucket), configured, now: this.#now(), dryRun: false };
  }

  #now(): Date {
    return new Date(Date.now() + this.aheadMs);
  }

  /** `pemfleet …`, its own program. */
  command(words: readonly string[], { env }: RunOptions = {}): Promise<Finished> {
    const args = [...words, '--config', this.#configFile];
    return finish(issuerProgram(), args, { env: { ...IDENTITY, ...env } });
  }
}

let bundle: string | undefined;

/** The command line as one file, with the packages beside it. Built once a test process. */
function issuerProgram(): string {
  if (bundle !== undefined) return bundle;
  const { path } = makeTempDir();
  symlinkSync(resolve('node_modules'), join(path, 'node_modules'));
  bundle = join(path, 'pemfleet.mjs');
  buildSync({
    ...{ entryPoints: ['lambda/cli.ts'], outfile: bundle, bundle: true, packages: 'external' },
    ...{ platform: 'node', target: 'node20', format: 'esm' },
  });
  return bundle;
}
