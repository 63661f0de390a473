// One HTTP or HTTPS exchange with a CA of our own, which fetch() cannot be given in Node 20.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** PEM of the CA that the server must be of */
  ca?: string;
  /** name asked for by SNI, where it is not the URL's host */
  servername?: string;
}

export function request(url: string, { body, ...rest }: RequestOptions = {}): Promise<Answer> {
  // Pebble, like Let's Encrypt, refuses a client without a name
  const options = { ...rest, headers: { 'user-agent': 'pemfleet-test', ...rest.headers } };
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // no agent: a kept connection would hold the server at its stop
    const outgoing = send(url, { agent: false, timeout: 10_000, ...options }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      incoming.once('error', reject);
      incoming.once('end', () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }),
      );
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer from ${url}`)));
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
