/** Passes against a real CA: Pebble with a DNS, or Caddy, and the responder's front where the CA validates. No HAProxy. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Listening } from '#common/net/listen.ts';
import { MINUTE_MS } from '#common/time.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AcmeClient } from '../../../lambda/acme/client.ts';
import { createTransport, type Transport } from '../../../lambda/acme/transport.ts';
import { type Cas, openCa } from '../../../lambda/ca/ca.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import { startResponderServer } from '../../../lambda/commands/responder-server.ts';
import type { Config } from '../../../lambda/config/config.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import type { Outcome } from '../../../lambda/outcome.ts';
import { runPass } from '../../../lambda/pass/run-pass.ts';
import type { Pass, PassOptions } from '../../../lambda/pass.ts';
import { respondTo } from '../../../lambda/responder.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { type MemoryBucket, memoryBucket } from '../bucket/memory-bucket.ts';
import { type Caddy, type CaddyOptions, startCaddy } from '../parts/caddy.ts';
import { startDns } from '../parts/dns.ts';
import type { DnsManagement } from '../parts/dns-management.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../parts/pebble.ts';
import type { TestCa } from '../parts/test-ca.ts';
import { freePort } from '../ports.ts';
import { type Events, recordEvents } from './events.ts';
import { onlySolver } from './only-solver.ts';

/** Where a stage belongs to: a test, or a file of tests. */
export type StageOwner = Pick<TestContext, 'after'>;

export interface Exchange {
  method: string;
  url: string;
}

export interface CaStage {
  ca: TestCa;
  /** Where the CA validates HTTP-01. */
  httpPort: number;
  /** Answers the CA. */
  dns: DnsManagement;
  bucket: MemoryBucket;
  events: Events;
  exchange: Transport;
  /** Every exchange with the CA. */
  exchanged: Exchange[];
  /** @param settings beside `certificates`, as in pemfleet.yaml */
  configOf(certificates: object[], settings?: object): Config;
  openAccount(exchange?: Transport): Promise<AcmeClient>;
  casBy(exchange: Transport, bucket?: Bucket): Cas;
  pass(certificates: object[], options?: PassOptions, changes?: Partial<Pass>): Promise<Outcome[]>;
  /** The next exchange that fits fails, before it reaches the CA (`lost: 'request'`) or after. */
  failNext(fits: (exchange: Exchange) => boolean, lost: 'request' | 'answer'): void;
  now(): Date;
  /** The clock of the passes goes on by so much. */
  advance(ms: number): void;
  /** Begins to answer challenges. */
  startResponder(): Promise<Listening>;
}

export interface Stage extends CaStage {
  pebble: Pebble;
}

export interface CaddyStage extends CaStage {
  caddy: Caddy;
}

interface Responding {
  /** Nobody answers challenges yet. */
  withoutResponder?: boolean;
}

export type StageOptions = PebbleOptions & Responding;

export async function startStage(
  t: StageOwner,
  { withoutResponder, ...options }: StageOptions = {},
): Promise<Stage> {
  const dns = await startDns();
  t.after(dns.stop);
  const httpPort = await freePort();
  const pebble = await startPebble({ httpPort, dnsServer: dns.address, ...options });
  t.after(pebble.stop);
  return { pebble, ...(await stageOf(t, pebble, dns, { httpPort, withoutResponder })) };
}

export async function startCaddyStage(
  t: StageOwner,
  { withoutResponder, ...options }: CaddyOptions & Responding = {},
): Promise<CaddyStage> {
  const httpPort = await freePort();
  const caddy = await startCaddy({ httpPort, ...options });
  t.after(caddy.stop);
  return { caddy, ...(await stageOf(t, caddy, caddy.dns, { httpPort, withoutResponder })) };
}

async function stageOf(
  t: StageOwner,
  ca: TestCa,
  dns: DnsManagement,
  { httpPort, withoutResponder = false }: { httpPort: number; withoutResponder: boolean | undefined },
): Promise<CaStage> {
  const bucket = memoryBucket();
  const wire = faultyTransport(t, ca);
  const startResponder = async () => {
    const onError = (error: unknown) => {
      throw error;
    };
    const front = await startResponderServer({
      host: '127.0.0.1',
      port: httpPort,
      respond: (event) => respondTo(bucket, event),
      onError,
    });
    t.after(front.stop);
    return front;
  };
  if (!withoutResponder) await startResponder();
  return { ca, dns, httpPort, bucket, ...wire, ...passes(bucket, ca, wire.exchange), startResponder };
}

function passes(bucket: MemoryBucket, ca: TestCa, exchange: Transport) {
  const events = recordEvents();
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  const acme = {
    directoryUrl: ca.directoryUrl,
    caFile: ca.caFile,
    termsOfServiceAgreed: true as const,
  };
  const configOf = (certificates: object[], settings: object = {}) =>
    parseConfig('f', JSON.stringify({ bucket: 'file:///memory', acme, certificates, ...settings }));
  const caBy = (by: Transport, over: Bucket = bucket) =>
    openCa({ bucket: over, settings: { ...acme, contact: [] }, exchange: by, now });
  const casBy = (by: Transport, over?: Bucket) => new Map([[ca.directoryUrl, caBy(by, over)]]);
  const open = (by: Transport = exchange) => caBy(by).account();
  const pass: CaStage['pass'] = async (certificates, options = {}, changes = {}) => {
    const timing = {
      now,
      sleep: (ms: number) => sleep(ms),
      deadline: new Date(now().getTime() + 10 * MINUTE_MS),
    };
    const config = configOf(certificates);
    const fleets = config.certificates.flatMap((spec) => spec.fleets);
    const base = {
      bucket,
      config,
      options,
      cas: casBy(exchange),
      solvers: onlySolver(http01Solver(bucket)),
      signing: await openSigningKey(bucket, { fleets, dryRun: options.dryRun }),
      timing,
      random: () => 0,
      log: events.log,
    };
    return runPass({ ...base, ...changes }).then(({ outcomes }) => outcomes);
  };
  const advance = (ms: number) => {
    aheadMs += ms;
  };
  return { events, configOf, openAccount: open, casBy, pass, now, advance };
}

function faultyTransport(t: StageOwner, { ca }: TestCa) {
  const exchanged: Exchange[] = [];
  const faults: { fits: (exchange: Exchange) => boolean; lost: 'request' | 'answer' }[] = [];
  const real = createTransport({
    userAgent: `pemfleet/${PEMFLEET_VERSION}`,
    ca,
    timeoutMs: 10_000,
  });
  t.after(real.close);
  const exchange: Transport = async (method, url, body) => {
    exchanged.push({ method, url });
    const [fault] = faults.flatMap((item) => (item.fits({ method, url }) ? [item] : []));
    if (fault !== undefined) faults.splice(faults.indexOf(fault), 1);
    if (fault?.lost !== 'request') {
      const response = await real.exchange(method, url, body);
      if (fault === undefined) return response;
    }
    // As the transport tells it when a connection breaks.
    return real.exchange(method, 'https://127.0.0.1:1/lost', body);
  };
  const failNext: CaStage['failNext'] = (fits, lost) => faults.push({ fits, lost });
  return { exchange, exchanged, failNext };
}

/** Orders that were asked for, by the exchanges with the CA. */
export const ordersAsked = (stage: CaStage) =>
  stage.exchanged.filter(({ method, url }) => method === 'POST' && /\/(order-plz|new-order)$/.test(url))
    .length;
