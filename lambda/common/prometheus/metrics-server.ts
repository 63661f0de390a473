/** A scrape target of Prometheus: the figures of the last pass or poll, at /metrics and nowhere else. */
import { createServer } from 'node:http';
import { type ListenAddress, type Listening, listen } from '#common/net/listen.ts';
import { METRICS_TYPE } from './text-format.ts';

/** @param text undefined: there are no figures yet (503). @throws what listen(2) says, for example `EADDRINUSE` */
export async function startMetricsServer(
  address: ListenAddress,
  text: () => Promise<string | undefined>,
): Promise<Listening> {
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
  server.maxConnections = 50;
  return listen(server, address);
}

/** For a setting: ADDRESS:PORT of this machine alone, an IPv6 address in brackets. Names of certificates are nobody else's business. */
export const LOOPBACK_ADDRESS = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost):\d{1,5}$/;
