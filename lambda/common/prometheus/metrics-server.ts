/** A scrape target of Prometheus: the figures of the last pass or poll, at /metrics and nowhere else. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { METRICS_TYPE } from './text-format.ts';

export interface MetricsServer {
  /** `host:port` */
  address: string;
  stop: () => Promise<void>;
}

export interface ListenAddress {
  host: string;
  /** 0: any free one. */
  port: number;
}

const TIMEOUT_MS = 10_000;

/** @param text undefined: there are no figures yet (503). @throws what listen(2) says, for example `EADDRINUSE` */
export async function startMetricsServer(
  { host, port }: ListenAddress,
  text: () => Promise<string | undefined>,
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    request.resume();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(isRead ? 404 : 405).end();
      return;
    }
    void text()
      .catch(() => undefined)
      .then((body) => {
        if (body === undefined) response.writeHead(503).end();
        else response.writeHead(200, { 'content-type': METRICS_TYPE }).end(body);
      });
  });
  server.requestTimeout = TIMEOUT_MS;
  server.maxConnections = 50;
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address();
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
  return { address: `${host}:${actual}`, stop: () => close(server) };
}

/** For a setting: ADDRESS:PORT of this machine alone, an IPv6 address in brackets. Names of certificates are nobody else's business. */
export const LOOPBACK_ADDRESS = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost):\d{1,5}$/;

/** @returns undefined unless it is ADDRESS:PORT; an IPv6 address in brackets */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const url = `http://${text}`;
  if (!URL.canParse(url) || !/:\d+$/.test(text)) return undefined;
  // Node listens on an IPv6 address without brackets.
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(text.split(':').at(-1)) };
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}
