/** HTTP servers of a program: where they listen, and how they end. */
import { once } from 'node:events';
import type { Server } from 'node:http';

export interface ListenAddress {
  host: string;
  /** 0: any free one. */
  port: number;
}

export interface Listening {
  /** `host:port` */
  address: string;
  stop: () => Promise<void>;
}

/** A client has this long for its request. */
const TIMEOUT_MS = 10_000;

/** @throws what listen(2) says, for example `EADDRINUSE` */
export async function listen(server: Server, { host, port }: ListenAddress): Promise<Listening> {
  server.requestTimeout = TIMEOUT_MS;
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address();
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
  return { address: `${host}:${actual}`, stop: () => close(server) };
}

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
