// A CA that does what Pebble cannot: an HTTPS proxy before Pebble, whose answers a test may spoil on the wire.
// Clients talk to it alone, since Pebble makes all of its URLs of the Host that they ask for.

import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer } from 'node:https';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { freePort } from '../ports.ts';
import { makeTempDir } from '../temp-dir.ts';
import { createOrderBook, type OrderBook } from './orders.ts';
import { payloadOf, type Resource, resourceOf } from './resources.ts';
import { createServerCertificate } from './tls.ts';
import { type CaAnswer, forwardTo, sendAnswer } from './wire.ts';

export type { Resource } from './resources.ts';
export type { CaAnswer } from './wire.ts';

/** One request, as a fault sees it. */
export interface Exchange {
  method: string;
  resource: Resource;
  path: string;
  /** of the JWS; undefined for POST-as-GET and unsigned requests */
  payload: unknown;
  /** what the CA behind answers, after the faults that were set before this one */
  forward(): Promise<CaAnswer>;
  /** for answers that are made up, as RFC 8555 §6.5 asks for one */
  freshNonce(): Promise<string>;
  orders: OrderBook;
}

/** Answers in the CA's place, or spoils what `forward` brings. */
export type Fault = (exchange: Exchange) => Promise<CaAnswer>;

export interface LoggedRequest {
  method: string;
  resource: Resource;
  url: string;
  /** as the client saw it; 0 for none */
  status: number;
  /** as the CA behind answered; undefined if it was not asked */
  reached: number | undefined;
  /** of a new account or order */
  location?: string;
}

export interface FaultOptions {
  /** how many requests it spoils; default: all until `clear` */
  times?: number;
  /** how many requests of the resource it lets pass first */
  after?: number;
}

export interface HostileCa {
  directoryUrl: string;
  caFile: string;
  ca: string;
  requests: LoggedRequest[];
  count(resource: Resource): number;
  /** orders that the CA behind has made */
  ordersMade(): number;
  fault(resource: Resource, fault: Fault, options?: FaultOptions): void;
  /** Ends all faults; an order that a fault has made invalid stays so. */
  clear(): void;
  stop(): Promise<void>;
}

interface Place {
  fault: Fault;
  passes: number;
  left: number;
}

export async function startHostileCa({
  pebble,
}: {
  pebble: { directoryUrl: string; ca: string };
}): Promise<HostileCa> {
  const dir = makeTempDir();
  const port = await freePort();
  const tls = await createServerCertificate();
  const caFile = join(dir.path, 'ca.pem');
  writeFileSync(caFile, tls.cert);
  const agent = new Agent({ keepAlive: true, ca: pebble.ca });
  const places = new Map<Resource, Place[]>();
  const requests: LoggedRequest[] = [];
  const serve = servant(new URL(pebble.directoryUrl), agent, places, requests);
  const closeServer = await listen(port, tls, serve);
  return {
    ...{ directoryUrl: `https://127.0.0.1:${port}/dir`, caFile, ca: tls.cert, requests },
    ...counts(requests),
    fault: (resource, fault, { times = Number.POSITIVE_INFINITY, after = 0 } = {}) => {
      places.set(resource, [...(places.get(resource) ?? []), { fault, passes: after, left: times }]);
    },
    clear: () => places.clear(),
    stop: async () => {
      await closeServer();
      agent.destroy();
      dir.remove();
    },
  };
}

type Serve = (request: IncomingMessage, response: ServerResponse, socket: Socket) => Promise<void>;

/** @param serve gets the TCP socket, which TLS hides: only that one can be reset */
async function listen(port: number, tls: { cert: string; key: string }, serve: Serve) {
  const sockets = new Map<number, Socket>();
  const server = createServer(tls, (request, response) => {
    const socket = sockets.get(request.socket.remotePort ?? 0) as Socket;
    // A client that has gone gets no answer.
    serve(request, response, socket).catch(() => socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    const { remotePort = 0 } = socket;
    sockets.set(remotePort, socket);
    socket.once('close', () => sockets.delete(remotePort)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets.values()) socket.destroy();
    });
}

const counts = (requests: readonly LoggedRequest[]) => ({
  count: (resource: Resource) => requests.filter((seen) => seen.resource === resource).length,
  ordersMade: () =>
    requests.filter(({ resource, reached }) => resource === 'newOrder' && reached === 201).length,
});

function servant(base: URL, agent: Agent, places: Map<Resource, Place[]>, requests: LoggedRequest[]) {
  const orders = createOrderBook();
  const nonceHeaders = { 'user-agent': 'hostile CA', host: base.host };
  const noncePlz = { method: 'HEAD', path: '/nonce-plz', headers: nonceHeaders, body: Buffer.alloc(0) };
  const freshNonce = async () => String((await forwardTo(base, noncePlz, agent)).headers['replay-nonce']);

  return async (request: IncomingMessage, response: ServerResponse, socket: Socket): Promise<void> => {
    const [method, path] = [request.method ?? '', request.url ?? ''];
    const body = await buffer(request);
    const resource = resourceOf(path);
    const exchange = { method, resource, path, payload: payloadOf(body), freshNonce, orders };
    const seen = { method, resource, url: `https://${request.headers.host}${path}` };
    const logged: LoggedRequest = { ...seen, status: 0, reached: undefined };
    requests.push(logged);
    const ask = async () => {
      const answer = await forwardTo(base, { method, path, headers: request.headers, body }, agent);
      logged.reached = answer.status;
      const { location } = answer.headers;
      if (typeof location === 'string') logged.location = location;
      return orders.observe(exchange, answer);
    };
    const spoil = activeFaults(places.get(resource) ?? []).reduce<() => Promise<CaAnswer>>(
      (forward, fault) => () => fault({ ...exchange, forward }),
      ask,
    );
    const answer = await spoil();
    if (answer.wire !== 'hang' && answer.wire !== 'reset') logged.status = answer.status;
    await sendAnswer(response, socket, answer);
  };
}

/** Counts this request against each of them. */
function activeFaults(places: Place[]): Fault[] {
  return places.flatMap((place) => {
    if (place.passes > 0) {
      place.passes -= 1;
      return [];
    }
    place.left -= 1;
    return place.left >= 0 ? [place.fault] : [];
  });
}
