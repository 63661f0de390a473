// Raw requests of RFC 8555: no retries, no checks; an answer is what came over the wire.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { request } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import { certificationRequest } from '../../../lambda/acme/csr.ts';
import type { HostileCa } from './hostile-ca.ts';

export interface RawAnswer {
  /** 0: none */
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
  bytes: number;
  /** `end`, or the code of the error that came instead; `timeout` if nothing came for the client's patience */
  end: string;
}

/** RFC 8555 objects are read as they come. */
// biome-ignore lint/suspicious/noExplicitAny: a test says by its assertions what it expects
export const jsonOf = (answer: RawAnswer): any => JSON.parse(answer.body);

const PATIENCE_MS = 10_000;
const keptBytes = 65_536;

interface RawRequest {
  method: string;
  url: string;
  body?: object;
  patienceMs: number;
}

function exchange(ca: HostileCa, { method, url, body, patienceMs }: RawRequest): Promise<RawAnswer> {
  const answer: RawAnswer = { status: 0, headers: {}, body: '', bytes: 0, end: '' };
  const headers = { 'user-agent': 'raw', ...(body && { 'content-type': 'application/jose+json' }) };
  return new Promise((resolve) => {
    const finish = (end: string) => resolve({ ...answer, end: answer.end || end });
    const outgoing = request(url, { method, ca: ca.ca, agent: false, headers }, (incoming) => {
      answer.status = incoming.statusCode ?? 0;
      answer.headers = incoming.headers;
      incoming.on('data', (chunk: Buffer) => {
        answer.bytes += chunk.length;
        if (answer.body.length < keptBytes) answer.body += chunk.toString();
      });
      incoming
        .once('end', () => finish('end'))
        .once('error', ({ code }: NodeJS.ErrnoException) => finish(`${code}`));
    });
    outgoing.setTimeout(patienceMs, () => {
      answer.end = 'timeout';
      outgoing.destroy();
    });
    outgoing.once('error', ({ code }: NodeJS.ErrnoException) => finish(`${code}`));
    outgoing.end(body && JSON.stringify(body));
  });
}

export interface RawClient {
  thumbprint: string;
  directory: Record<string, string>;
  nonce(): Promise<string>;
  /** Signed with a fresh nonce, or the one given; `null` is POST-as-GET. */
  post(url: string, payload: object | null, nonce?: string): Promise<RawAnswer>;
  /** A test of silence shortens it: no answer for so long is none. */
  patienceMs: number;
  get(url: string): Promise<RawAnswer>;
}

/** With an account of its own. */
export async function openRawClient(ca: HostileCa): Promise<RawClient> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
  const jwk = { crv, kty, x, y };
  const send = (method: string, url: string, body?: object) =>
    exchange(ca, { method, url, ...(body && { body }), patienceMs: client.patienceMs });
  let who: object = { jwk };
  const client: RawClient = {
    thumbprint: createHash('sha256').update(JSON.stringify(jwk)).digest('base64url'),
    directory: {},
    patienceMs: PATIENCE_MS,
    nonce: async () =>
      String((await send('HEAD', client.directory['newNonce'] ?? '')).headers['replay-nonce']),
    post: async (url, payload, nonce) => {
      const header = { alg: 'ES256', nonce: nonce ?? (await client.nonce()), url, ...who };
      return send('POST', url, jws(privateKey, header, payload));
    },
    get: (url) => send('GET', url),
  };
  client.directory = jsonOf(await client.get(ca.directoryUrl));
  const account = await client.post(client.directory['newAccount'] ?? '', { termsOfServiceAgreed: true });
  who = { kid: account.headers['location'] };
  return client;
}

function jws(key: KeyObject, header: object, payload: object | null) {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const [head, content] = [encode(header), payload === null ? '' : encode(payload)];
  const signature = sign('sha256', Buffer.from(`${head}.${content}`), { key, dsaEncoding: 'ieee-p1363' });
  return { protected: head, payload: content, signature: signature.toString('base64url') };
}

export const identifiersOf = (...names: string[]) => ({
  identifiers: names.map((value) => ({ type: 'dns', value })),
});

/** An order whose names are proven: finalize is next. */
export async function readyOrder(client: RawClient, names: string[]) {
  const made = await client.post(client.directory['newOrder'] ?? '', identifiersOf(...names));
  const order = jsonOf(made);
  for (const url of order.authorizations) {
    const { challenges } = jsonOf(await client.post(url, null));
    await client.post(challenges.find(({ type }: { type: string }) => type === 'http-01').url, {});
    await polled(client, url, 'pending');
  }
  return { url: String(made.headers['location']), finalize: String(order.finalize) };
}

export async function csrFor(names: string[]): Promise<{ csr: string }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { csr: certificationRequest(names, privateKey).toString('base64url') };
}

/**
 * Polls while the CA still has it so: some milliseconds apart, by the clock and not by a count, which a loaded machine
 * runs through before the CA is done.
 */
async function polled(client: RawClient, url: string, status: 'pending' | 'processing'): Promise<RawAnswer> {
  const until = performance.now() + client.patienceMs;
  for (;;) {
    const answer = await client.post(url, null);
    if (jsonOf(answer).status !== status || performance.now() > until) return answer;
    await setTimeout(5);
  }
}

/** Finalizes, and polls until the CA has made up its mind. @returns the last order */
export async function finalized(
  client: RawClient,
  order: { url: string; finalize: string },
  names: string[],
) {
  const answer = await client.post(order.finalize, await csrFor(names));
  return jsonOf(
    jsonOf(answer).status === 'processing' ? await polled(client, order.url, 'processing') : answer,
  );
}
