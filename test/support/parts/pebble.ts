// Pebble, Let's Encrypt's test CA, as strict or as tame as a test wants it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programPath } from '../../setup.mjs';
import { canConnect, freePort } from '../ports.ts';
import { startPart } from '../process.ts';
import { type Answer, request } from '../request.ts';
import { makeTempDir } from '../temp-dir.ts';
import { createPki } from './pki.ts';
import type { TestCa } from './test-ca.ts';

/** In Pebble's own words; `validityPeriod` in seconds. */
export interface PebbleProfile {
  description?: string;
  validityPeriod: number;
  promoteCommonName?: boolean;
}

export interface PebbleOptions {
  /** An IP address of this machine where it listens; default: 127.0.0.1. */
  host?: string;
  /** where http-01 challenges are validated */
  httpPort?: number;
  /** host:port; by default the machine's own DNS */
  dnsServer?: string;
  nonceRejectPercent?: number;
  /** validates at once instead of after some random seconds */
  noSleep?: boolean;
  /** percentage of valid authorizations that a new order gets */
  authzReuse?: number;
  /** exactly one by default: Pebble takes a random one for an order that names none */
  profiles?: Record<string, PebbleProfile>;
  chainLength?: number;
  alternateRoots?: number;
  ordersPerPage?: number;
  /** key identifier → HMAC key in base64url; then no account without one of them (RFC 8555 §7.3.4) */
  externalAccounts?: Record<string, string>;
  /** names that it refuses to order, and those below them */
  blocked?: readonly string[];
  /** goes into the certificates; the test answers there, or nothing does */
  ocspResponderUrl?: string;
  /** seconds */
  retryAfter?: { authz: number; order: number };
}

export interface Pebble extends TestCa {
  managementUrl: string;
  /** certificate and key that issue the leaves, for a responder */
  intermediate(): Promise<{ pem: string; keyPem: string }>;
  /** Overrides ARI for a certificate; a string is sent as it is, however wrong. */
  setRenewalInfo(certificatePem: string, response: object | string): Promise<void>;
  /** @param serial hexadecimal */
  certStatusBySerial(serial: string): Promise<{ Status: string; [field: string]: unknown }>;
}

export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const dir = makeTempDir();
  const { host = '127.0.0.1' } = options;
  const [address, managementAddress] = [`${host}:${await freePort()}`, `${host}:${await freePort()}`];
  const { configFile, caFile, ca } = await writeConfig(dir.path, options, { address, managementAddress });
  const directoryUrl = `https://${address}/dir`;
  const dnsArgs = options.dnsServer ? ['-dnsserver', options.dnsServer] : [];
  const part = await startPart({
    name: 'Pebble',
    command: programPath('pebble'),
    args: ['-config', configFile, ...dnsArgs],
    env: environment(options),
    probe: async () =>
      (await canConnect(managementAddress)) && (await request(directoryUrl, { ca })).status === 200,
  }).catch((error: unknown) => {
    dir.remove();
    throw error;
  });
  const managementUrl = `https://${managementAddress}`;
  return {
    ...{ directoryUrl, caFile, ca, managementUrl, log: part.log },
    ...management(managementUrl, ca),
    ordersMade: () => part.log().match(/Added order /g)?.length ?? 0,
    stop: () => part.stop().finally(dir.remove),
  };
}

function management(url: string, ca: string) {
  const ask = async (path: string, body?: string): Promise<Answer> => {
    const answer = await request(`${url}${path}`, body === undefined ? { ca } : { ca, body, method: 'POST' });
    if (answer.status !== 200) throw new Error(`Pebble answered ${path} by ${answer.status}: ${answer.body}`);
    return answer;
  };
  return {
    rootPem: async () => (await ask('/roots/0')).body,
    intermediate: async () => ({
      pem: (await ask('/intermediates/0')).body,
      keyPem: (await ask('/intermediate-keys/0')).body,
    }),
    setRenewalInfo: async (certificatePem: string, response: object | string) => {
      const ARIResponse = typeof response === 'string' ? response : JSON.stringify(response);
      await ask('/set-renewal-info/', JSON.stringify({ Certificate: certificatePem, ARIResponse }));
    },
    certStatusBySerial: async (serial: string) =>
      JSON.parse((await ask(`/cert-status-by-serial/${serial}`)).body),
  };
}

async function writeConfig(
  dir: string,
  options: PebbleOptions,
  { address, managementAddress }: { address: string; managementAddress: string },
) {
  const pki = await createPki();
  const { leafPem, chainPem, keyPem } = await pki.issue({
    names: ['localhost', '127.0.0.1', ...(options.host === undefined ? [] : [options.host])],
  });
  const write = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const caFile = write('ca.pem', pki.rootPem);
  const pebble = {
    listenAddress: address,
    managementListenAddress: managementAddress,
    certificate: write('server.pem', leafPem + chainPem.join('')),
    privateKey: write('server-key.pem', keyPem),
    httpPort: options.httpPort ?? 80,
    tlsPort: 443,
    ocspResponderURL: options.ocspResponderUrl ?? '',
    externalAccountBindingRequired: options.externalAccounts !== undefined,
    externalAccountMACKeys: options.externalAccounts ?? {},
    domainBlocklist: options.blocked ?? [],
    // Pebble hands out the key of its intermediate, which a responder needs, only if it is an RSA one.
    keyAlgorithm: options.ocspResponderUrl === undefined ? 'ecdsa' : 'rsa',
    profiles: options.profiles ?? { default: { description: '90 days', validityPeriod: 90 * 86_400 } },
    ...(options.retryAfter ? { retryAfter: options.retryAfter } : {}),
  };
  return { configFile: write('pebble.json', JSON.stringify({ pebble })), caFile, ca: pki.rootPem };
}

const environment = (options: PebbleOptions): Record<string, string> => ({
  PEBBLE_WFE_NONCEREJECT: String(options.nonceRejectPercent ?? 0),
  PEBBLE_VA_NOSLEEP: (options.noSleep ?? true) ? '1' : '0',
  PEBBLE_AUTHZREUSE: String(options.authzReuse ?? 0),
  PEBBLE_CHAIN_LENGTH: String(options.chainLength ?? 1),
  PEBBLE_ALTERNATE_ROOTS: String(options.alternateRoots ?? 0),
  PEBBLE_WFE_ORDERS_PER_PAGE: String(options.ordersPerPage ?? 3),
});
