/**
 * Signed requests of RFC 8555 §6.2: acme-client makes the JWS, this file owns nonces, errors and the retry that
 * §6.5 asks for (`badNonce`). Nothing else is ever tried again here: the schedule is the retry loop.
 */
import { createHash } from 'node:crypto';
import HttpClient from 'acme-client/src/http.js';
import { atMost } from './at-most.ts';
import type { Directory } from './directory.ts';
import { AcmeProblem, type ProblemDocument } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { AcmeResponse, Transport } from './transport.ts';

export interface AcmeClientOptions {
  directory: Directory;
  /** PEM, PKCS#8. */
  accountKey: string;
  /** The account's URL is the `kid` of every request but newAccount (§6.2). */
  accountUrl?: string;
  exchange: Transport;
  now: () => Date;
}

export interface AcmeClient {
  readonly directory: Directory;
  /** RFC 7638 thumbprint of the account key, base64url: the second half of every key authorization (§8.1). */
  readonly thumbprint: string;
  accountUrl: string | undefined;
  /** Signed POST; `null` is POST-as-GET (§6.3). @throws AcmeProblem, AcmeUnreachable */
  post(url: string, payload: object | null, options?: { kid?: false }): Promise<AcmeResponse>;
  /** The JWS of §7.3.4 over our public key. */
  bind(url: string, binding: { kid: string; hmacKey: string }): object;
  /** The inner JWS of §7.3.5, signed by the next key. */
  keyChangeBody(url: string, nextKey: string): object;
  now: () => Date;
}

/** At Let's Encrypt's 1 in 1,000 one is plenty; at the 50 % of a hostile test server this still gets through. */
const MAX_BAD_NONCES = 25;
const MAX_POOLED_NONCES = 32;
/** Each request holds a nonce: more at once would have to fetch more. Orders may wait for DNS in any number. */
const MAX_AT_ONCE = 10;

export function openAcmeClient(options: AcmeClientOptions): AcmeClient {
  const { directory, exchange, now } = options;
  const jws = jwsOf(options.accountKey);
  const nonces = noncePool(exchange, directory.newNonce, now);

  const inLine = atMost(MAX_AT_ONCE);

  async function signedPost(url: string, payload: object | null, kid: string | null): Promise<AcmeResponse> {
    for (let attempt = 0; ; attempt += 1) {
      const body = jws.createSignedBody(url, payload, { nonce: await nonces.take(), kid });
      const response = await exchange('POST', url, body);
      nonces.put(response);
      const problem = problemOf(response, now);
      if (problem === undefined) return response;
      if (problem.type !== 'badNonce' || attempt >= MAX_BAD_NONCES) throw problem;
    }
  }

  const client: AcmeClient = {
    directory,
    thumbprint: thumbprintOf(jws.getJwk()),
    accountUrl: options.accountUrl,
    post: (url, payload, postOptions) => {
      if (postOptions?.kid === false) return inLine(() => signedPost(url, payload, null));
      if (client.accountUrl === undefined) throw new TypeError('no account URL: register the account first');
      const { accountUrl } = client;
      return inLine(() => signedPost(url, payload, accountUrl));
    },
    bind: (url, { kid, hmacKey }) => jws.createSignedHmacBody(hmacKey, url, jws.getJwk(), { kid }),
    keyChangeBody: (url, nextKey) => {
      const payload = { account: client.accountUrl, oldKey: jws.getJwk() };
      return jwsOf(nextKey).createSignedBody(url, payload, { nonce: null, kid: null });
    },
    now,
  };
  return client;
}

/** The URL is only for acme-client's own requests, which are never made. */
function jwsOf(accountKey: string): HttpClient {
  return new HttpClient('', accountKey);
}

/** RFC 8555 §6.5: every answer brings a fresh nonce; newNonce is asked only when none is left. */
function noncePool(exchange: Transport, newNonceUrl: string, now: () => Date) {
  const pool: string[] = [];
  return {
    put: (response: AcmeResponse) => {
      const nonce = response.headers['replay-nonce'];
      if (nonce !== undefined && pool.length < MAX_POOLED_NONCES) pool.push(nonce);
    },
    take: async (): Promise<string> => {
      const pooled = pool.pop();
      if (pooled !== undefined) return pooled;
      const response = await succeed(exchange('HEAD', newNonceUrl), now);
      const nonce = response.headers['replay-nonce'];
      if (nonce !== undefined) return nonce;
      throw new AcmeProblem(
        { type: 'about:blank', detail: 'newNonce answered without a nonce' },
        response.status,
      );
    },
  };
}

async function succeed(exchanged: Promise<AcmeResponse>, now: () => Date): Promise<AcmeResponse> {
  const response = await exchanged;
  const problem = problemOf(response, now);
  if (problem !== undefined) throw problem;
  return response;
}

function problemOf(response: AcmeResponse, now: () => Date): AcmeProblem | undefined {
  if (response.status >= 200 && response.status < 300) return undefined;
  const retryAfter = parseRetryAfter(response.headers['retry-after'], now());
  const data = response.data as Partial<ProblemDocument> | string | null;
  const isProblem = typeof data === 'object' && data !== null && typeof data.type === 'string';
  const document = isProblem
    ? (data as ProblemDocument)
    : { type: 'about:blank', detail: `HTTP ${response.status} without a problem document` };
  return new AcmeProblem(document, response.status, retryAfter);
}

/** RFC 7638 §3: SHA-256 over the required members in lexicographic order. */
function thumbprintOf(jwk: Record<string, string>): string {
  const members = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
