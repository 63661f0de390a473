/** Passes against a real CA: Pebble, a DNS for it, and the responder's front where Pebble validates. No HAProxy. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Listening } from '#common/net/listen.ts';
import { MINUTE_MS } from '#common/time.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
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
import { startDns } from '../parts/dns.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../parts/pebble.ts';
import { freePort } from '../ports.ts';
import { type Events, recordEvents } from './events.ts';

export interface Exchange {
  method: string;
  url: string;
}

export interface Stage {
  pebble: Pebble;
  bucket: MemoryBucket;
  events: Events;
  exchange: Transport;
  /** Every exchange with the CA. */
  exchanged: Exchange[];
  configOf(certificates: object[]): Config;
  openAccount(exchange?: Transport): Promise<AcmeClient>;
  casBy(exchange: Transport): Cas;
  pass(certificates: object[], options?: PassOptions, changes?: Partial<Pass>): Promise<Outcome[]>;
  /** The next exchange that fits fails, before it reaches the CA (`lost: 'request'`) or after. */
  failNext(fits: (exchange: Exchange) => boolean, lost: 'request' | 'answer'): void;
  /** The clock of the passes goes on by so much. */
  advance(ms: number): void;
  /** Begins to answer challenges. */
  startResponder(): Promise<Listening>;
}

export interface StageOptions extends PebbleOptions {
  /** Nobody answers challenges yet. */
  withoutResponder?: boolean;
}

export async function startStage(
  t: TestContext,
  { withoutResponder, ...options }: StageOptions = {},
): Promise<Stage> {
  const dns = await startDns();
  t.after(dns.stop);
  const httpPort = await freePort();
  const pebble = await startPebble({ httpPort, dnsServer: dns.address, ...options });
  t.after(pebble.stop);
  const bucket = memoryBucket();
  const wire = faultyTransport(t, pebble);
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
  return { pebble, bucket, ...wire, ...passes(bucket, pebble, wire.exchange), startResponder };
}

function passes(bucket: MemoryBucket, pebble: Pebble, exchange: Transport) {
  const events = recordEvents();
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  const acme = {
    directoryUrl: pebble.directoryUrl,
    caFile: pebble.caFile,
    termsOfServiceAgreed: true as const,
  };
  const configOf = (certificates: object[]) =>
    parseConfig('f', JSON.stringify({ bucket: 'memory:', acme, certificates }));
  const caBy = (by: Transport) => openCa({ bucket, settings: { ...acme, contact: [] }, exchange: by, now });
  const casBy = (by: Transport) => new Map([[pebble.directoryUrl, caBy(by)]]);
  const open = (by: Transport = exchange) => caBy(by).account();
  const pass: Stage['pass'] = async (certificates, options = {}, changes = {}) => {
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
      solver: http01Solver(bucket),
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
  return { events, configOf, openAccount: open, casBy, pass, advance };
}

function faultyTransport(t: TestContext, pebble: Pebble) {
  const exchanged: Exchange[] = [];
  const faults: { fits: (exchange: Exchange) => boolean; lost: 'request' | 'answer' }[] = [];
  const real = createTransport({
    userAgent: `pemfleet/${PEMFLEET_VERSION}`,
    ca: pebble.ca,
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
  const failNext: Stage['failNext'] = (fits, lost) => faults.push({ fits, lost });
  return { exchange, exchanged, failNext };
}

/** Orders that were asked for, by the exchanges with the CA. */
export const ordersAsked = (stage: Stage) =>
  stage.exchanged.filter(({ method, url }) => method === 'POST' && url.endsWith('/order-plz')).length;
