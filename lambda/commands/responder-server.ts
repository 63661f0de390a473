/** A local HTTP server in place of the Lambda function URL: turns requests into its events, for the same responder. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type ListenAddress, type Listening, listen } from '#common/net/listen.ts';
import type { FunctionUrlEvent, FunctionUrlResult } from '../responder.ts';

export interface ResponderServerOptions extends ListenAddress {
  respond: (event: FunctionUrlEvent) => Promise<FunctionUrlResult>;
  /** Receives each failure of `respond`; the client gets a 500 without a reason. */
  onError: (error: unknown) => void;
}

export function startResponderServer(options: ResponderServerOptions): Promise<Listening> {
  const server = createServer((request, response) => void serve(request, response, options));
  return listen(server, options);
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
