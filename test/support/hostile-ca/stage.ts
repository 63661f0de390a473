// A hostile CA ready for raw requests: Pebble behind it, and names that prove themselves.
import { createServer } from 'node:http';
import { startDns } from '../parts/dns.ts';
import { type Pebble, startPebble } from '../parts/pebble.ts';
import { freePort } from '../ports.ts';
import { openRawClient, type RawClient } from './client.ts';
import { type HostileCa, startHostileCa } from './hostile-ca.ts';

export interface RawStage {
  pebble: Pebble;
  ca: HostileCa;
  client: RawClient;
  stop(): Promise<void>;
}

/** Chains have two intermediates. */
export async function startRawStage(): Promise<RawStage> {
  const httpPort = await freePort();
  const dns = await startDns();
  const pebble = await startPebble({ httpPort, dnsServer: dns.address, chainLength: 2 });
  const ca = await startHostileCa({ pebble });
  const client = await openRawClient(ca);
  const stopResponder = await startStatelessResponder(httpPort, client.thumbprint);
  const stop = async () => {
    await Promise.all([ca.stop(), pebble.stop(), dns.stop(), stopResponder()]);
  };
  return { pebble, ca, client, stop };
}

/** HTTP-01 (RFC 8555 §8.3) for every token of one account, answered out of its thumbprint. */
async function startStatelessResponder(port: number, thumbprint: string): Promise<() => Promise<void>> {
  const server = createServer((asked, response) => {
    response.setHeader('connection', 'close');
    response.end(`${asked.url?.split('/').at(-1)}.${thumbprint}`);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
}
