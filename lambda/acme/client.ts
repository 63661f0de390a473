/**
 * Signed requests of RFC 8555 §6.2: acme-client makes the JWS, this file owns nonces, errors and the retry that
 * §6.5 asks for (`badNonce`). It retries nothing else: the schedule is the retry loop.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import HttpClient from 'acme-client/src/http.js';
import { atMost } from '#common/in-parallel.ts';
import { SECOND_MS } from '#common/time.ts';
import type { Directory } from './directory.ts';
import { AnswerPace } from './poll.ts';
import { AcmeProblem, type ProblemDocument } from './problem.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { AcmeResponse, Transport } from './transport.ts';

export interface AcmeClientOptions {
  directory: Directory;
  /** PEM, PKCS#8. */
  accountKey: string;
  /** Absent while the account is not registered. */
  accountUrl?: string | undefined;
  exchange: Transport;
  now: () => Date;
  /** When the account got this key (§7.3.5): until its caches are over, a CA may still know the one before. */
  keyChangedAt?: Date | undefined;
  sleep?: ((ms: number) => Promise<void>) | undefined;
}

/** Boulder's front ends keep an account for five seconds, and refuse what the new key has signed until then. */
const CACHED_KEY_MS = 6 * SECOND_MS;

/** At Let's Encrypt's 1 in 1,000 one is plenty; at the 50 % of a hostile test server this still gets through. */
const MAX_BAD_NONCES = 25;
const MAX_POOLED_NONCES = 32;
/** Each request holds a nonce: more at once would have to fetch more. Orders may wait for DNS in any number. */
const MAX_AT_ONCE = 10;
/** A CA of this network validates within it, others take seconds, which they show. */
const FIRST_VALIDATION_MS = 150;
/** The CA validates over the network first: an earlier look would be wasted. */
const SHORTEST_VALIDATION_MS = 50;

/** One account at one CA. */
export class AcmeClient {
  readonly directory: Directory;
  /** RFC 7638 thumbprint of the account key, base64url: the second half of every key authorization (§8.1). */
  readonly thumbprint: string;
  /** The `kid` of every request but newAccount (§6.2). */
  accountUrl: string | undefined;
  /** How long the CA takes to validate (§7.5.1). */
  readonly validations = new AnswerPace(FIRST_VALIDATION_MS, SHORTEST_VALIDATION_MS);
  readonly #jws: HttpClient;
  readonly #exchange: Transport;
  readonly #nonces: NoncePool;
  readonly #now: () => Date;
  readonly #inLine = atMost(MAX_AT_ONCE);
  readonly #keyChangedAt: Date | undefined;
  readonly #sleep: AcmeClientOptions['sleep'];
  /** By which the CA's clock is ahead of ours, in ms. */
  #aheadMs = 0;

  constructor({ directory, accountKey, accountUrl, exchange, now, keyChangedAt, sleep }: AcmeClientOptions) {
    this.directory = directory;
    this.accountUrl = accountUrl;
    this.#jws = jwsOf(accountKey);
    this.thumbprint = thumbprintOf(this.#jws.getJwk());
    this.#exchange = exchange;
    this.#nonces = new NoncePool(exchange, directory.newNonce, now);
    this.#now = now;
    this.#keyChangedAt = keyChangedAt;
    this.#sleep = sleep;
  }

  /** The time by the CA's clock, as its last answer had it (RFC 9110 §6.6.1): what it says of its own deadlines is compared with it. */
  caNow(): Date {
    return new Date(this.#now().getTime() + this.#aheadMs);
  }

  /** Signed POST; `null` is POST-as-GET (§6.3). @throws AcmeProblem, NoAcmeAnswer */
  post(url: string, payload: object | null, options?: { kid?: false }): Promise<AcmeResponse> {
    const kid = options?.kid === false ? null : this.accountUrl;
    if (kid === undefined) throw new TypeError('no account URL: register the account first');
    return this.#inLine(() => this.#signedPost(url, payload, kid));
  }

  /** The JWS of §7.3.4 over our public key. */
  bind(url: string, { kid, hmacKey }: { kid: string; hmacKey: string }): object {
    return this.#jws.createSignedHmacBody(hmacKey, url, this.#jws.getJwk(), { kid });
  }

  /** The inner JWS of §7.3.5, signed by the next key. */
  keyChangeBody(url: string, nextKey: string): object {
    const payload = { account: this.accountUrl, oldKey: this.#jws.getJwk() };
    return jwsOf(nextKey).createSignedBody(url, payload, { nonce: null, kid: null });
  }

  async #signedPost(url: string, payload: object | null, kid: string | null): Promise<AcmeResponse> {
    let isWaitedOut = false;
    for (let attempt = 0; ; attempt += 1) {
      const sentAt = this.#now();
      const body = this.#jws.createSignedBody(url, payload, { nonce: await this.#nonces.take(), kid });
      const response = await this.#exchange('POST', url, body);
      this.#nonces.put(response);
      this.#noteClock(response);
      const problem = problemOf(response, `POST ${url}`, this.#now);
      if (problem === undefined) return response;
      if (problem.type === 'badNonce' && attempt < MAX_BAD_NONCES) continue;
      const waitMs = isWaitedOut || !isSignatureRefused(problem) ? 0 : this.#cachedKeyMs(sentAt);
      if (waitMs === 0) throw problem;
      isWaitedOut = true;
      await this.#sleep?.(waitMs);
    }
  }

  /** How long a CA that knew the key before this one at `time` may still know it. */
  #cachedKeyMs(time: Date): number {
    if (this.#keyChangedAt === undefined || this.#sleep === undefined) return 0;
    const since = time.getTime() - this.#keyChangedAt.getTime();
    return since >= 0 && since < CACHED_KEY_MS ? CACHED_KEY_MS - since : 0;
  }

  #noteClock({ headers }: AcmeResponse): void {
    const time = Date.parse(headers['date'] ?? '');
    if (!Number.isNaN(time)) this.#aheadMs = time - this.#now().getTime();
  }
}

/** "JWS verification error" is `malformed` at Boulder, `unauthorized` elsewhere. */
function isSignatureRefused({ type }: AcmeProblem): boolean {
  return type === 'malformed' || type === 'unauthorized';
}

/** The URL is only for acme-client's own requests, which are never made. */
function jwsOf(accountKey: string): HttpClient {
  const jws = new HttpClient('', accountKey);
  // It keeps the JWK, which it reads from the PEM alone; the parsed key signs without parsing the PEM each time.
  jws.getJwk();
  jws.accountKey = createPrivateKey(accountKey);
  return jws;
}

interface WaitingForNonce {
  resolve: (nonce: string) => void;
  reject: (error: unknown) => void;
}

/**
 * RFC 8555 §6.5: every answer brings a fresh nonce. Who finds none waits for the next answer, beside which newNonce is asked, by one at a
 * time: so many are fetched as requests go on at once, and CAs limit newNonce more than all else.
 */
class NoncePool {
  readonly #exchange: Transport;
  readonly #newNonceUrl: string;
  readonly #now: () => Date;
  readonly #nonces: string[] = [];
  #waiting: WaitingForNonce[] = [];
  #isAsking = false;

  constructor(exchange: Transport, newNonceUrl: string, now: () => Date) {
    this.#exchange = exchange;
    this.#newNonceUrl = newNonceUrl;
    this.#now = now;
  }

  put({ headers }: AcmeResponse): void {
    const nonce = headers['replay-nonce'];
    if (nonce !== undefined) this.#give(nonce);
  }

  /** @throws AcmeProblem, NoAcmeAnswer of newNonce */
  take(): Promise<string> {
    const pooled = this.#nonces.pop();
    if (pooled !== undefined) return Promise.resolve(pooled);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#isAsking) void this.#askWhileWaiting();
    });
  }

  #give(nonce: string): void {
    const first = this.#waiting.shift();
    if (first !== undefined) first.resolve(nonce);
    else if (this.#nonces.length < MAX_POOLED_NONCES) this.#nonces.push(nonce);
  }

  async #askWhileWaiting(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      await this.#newNonce().then(
        (nonce) => this.#give(nonce),
        (error: unknown) => this.#failFirst(error),
      );
    }
    this.#isAsking = false;
  }

  /** The others have waited for this answer: each asks for itself now. */
  #failFirst(error: unknown): void {
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    first?.reject(error);
    for (const { resolve, reject } of others) void this.#newNonce().then(resolve, reject);
  }

  async #newNonce(): Promise<string> {
    const response = await this.#exchange('HEAD', this.#newNonceUrl);
    const problem = problemOf(response, `HEAD ${this.#newNonceUrl}`, this.#now);
    if (problem !== undefined) throw problem;
    const nonce = response.headers['replay-nonce'];
    if (nonce !== undefined) return nonce;
    const document = { type: 'about:blank', detail: `HEAD ${this.#newNonceUrl} answered without a nonce` };
    throw new AcmeProblem(document, response.status);
  }
}

/** @param request that was answered, for people: a page of a proxy does not say it */
function problemOf(response: AcmeResponse, request: string, now: () => Date): AcmeProblem | undefined {
  if (response.status >= 200 && response.status < 300) return undefined;
  const retryAfter = parseRetryAfter(response.headers['retry-after'], now());
  const data = response.data as Partial<ProblemDocument> | string | null;
  const isProblem = typeof data === 'object' && data !== null && typeof data.type === 'string';
  const document = isProblem
    ? (data as ProblemDocument)
    : {
        type: 'about:blank',
        detail: `${request} answered HTTP ${response.status} ${placeOf(response)}`,
      };
  return new AcmeProblem(document, response.status, retryAfter);
}

/** RFC 8555 knows no redirects. One is followed nowhere: the configured directory, and what it names, are what the operator trusts. */
function placeOf({ status, headers: { location } }: AcmeResponse): string {
  const isRedirect = status >= 300 && status < 400 && location !== undefined;
  return isRedirect ? `to ${location}, and no redirect is followed` : 'without a problem document';
}

/** RFC 7638 §3: SHA-256 over the required members in lexicographic order. */
function thumbprintOf(jwk: Record<string, string>): string {
  const members = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
