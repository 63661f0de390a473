/** A CA that answers what a test wants, without a network: the transport is a function. */
import { generateKeyPairSync } from 'node:crypto';
import { AcmeClient } from '../../../lambda/acme/client.ts';
import type { AcmeResponse, Transport } from '../../../lambda/acme/transport.ts';
import { noon } from '../clock.ts';

export const DIRECTORY = {
  newNonce: 'https://ca.test/nonce',
  newAccount: 'https://ca.test/new-account',
  newOrder: 'https://ca.test/new-order',
};

export const urn = (type: string) => `urn:ietf:params:acme:error:${type}`;
export const answer = (data: unknown, changes: Partial<AcmeResponse> = {}): AcmeResponse => ({
  status: 200,
  headers: {},
  data,
  ...changes,
});
export const refuse = (type: string, status = 400, headers: AcmeResponse['headers'] = {}): AcmeResponse =>
  answer({ type: urn(type), detail: `because of ${type}` }, { status, headers });

export interface Exchanged {
  method: string;
  url: string;
  /** Decoded. */
  header: { nonce?: string; kid?: string; jwk?: object; url?: string };
  payload: string;
}

export interface FakeCa {
  exchange: Transport;
  exchanged: Exchanged[];
}

/** @param post answers signed requests; `directory` and newNonce are there already */
export function fakeCa(post: (exchanged: Exchanged) => AcmeResponse, directory: unknown = DIRECTORY): FakeCa {
  const exchanged: Exchanged[] = [];
  let nonces = 0;
  const exchange: Transport = async (method, url, body) => {
    const { protected: header = '', payload = '' } = (body ?? {}) as Record<string, string>;
    const decode = (text: string) => Buffer.from(text, 'base64url').toString();
    const seen = {
      method,
      url,
      header: header === '' ? {} : JSON.parse(decode(header)),
      payload: decode(payload),
    };
    exchanged.push(seen);
    if (method === 'GET') return answer(directory);
    if (method === 'HEAD') {
      nonces += 1;
      return answer('', { headers: { 'replay-nonce': `fresh-${nonces}` } });
    }
    return post(seen);
  };
  return { exchange, exchanged };
}

export const accountKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

export function clientOf(ca: FakeCa, changes: { accountKey?: string; accountUrl?: string } = {}): AcmeClient {
  const options = {
    directory: DIRECTORY,
    accountKey,
    accountUrl: 'https://ca.test/account/1',
    exchange: ca.exchange,
    now: () => noon,
  };
  return new AcmeClient({ ...options, ...changes });
}

/** Answers that bring a nonce each: `answer-1`, `answer-2`, … */
export function withNonces(): () => AcmeResponse {
  let count = 0;
  return () => {
    count += 1;
    return answer({}, { headers: { 'replay-nonce': `answer-${count}` } });
  };
}
