/** A local HTTP server in place of the Lambda function URL: turns requests into its events, for the same responder. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { FunctionUrlEvent, FunctionUrlResult } from '../responder.ts';

export interface ResponderServer {
  /** `host:port` */
  address: string;
  stop: () => Promise<void>;
}

export interface ResponderServerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  respond: (event: FunctionUrlEvent) => Promise<FunctionUrlResult>;
  /** Receives each failure of `respond`; the client gets a 500 without a reason. */
  onError: (error: unknown) => void;
}

const TIMEOUT_MS = 10_000;

export async function startResponderServer(options: ResponderServerOptions): Promise<ResponderServer> {
  const server = createServer((request, response) => void serve(request, response, options));
  server.requestTimeout = TIMEOUT_MS;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return { address: `${options.host}:${port}`, stop: () => close(server) };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: ResponderServerOptions,
): Promise<void> {
  request.resume();
  const [rawPath = ''] = (request.url ?? '').split('?');
  const event: FunctionUrlEvent = { rawPath, requestContext: { http: { method: request.method ?? '' } } };
  try {
    const { statusCode, headers, body } = await options.respond(event);
    response.writeHead(statusCode, headers).end(body);
  } catch (error) {
    options.onError(error);
    response.writeHead(500).end();
  }
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}
