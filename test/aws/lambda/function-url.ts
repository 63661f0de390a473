// The front of a Function URL: HTTPS under the function's own host name, requests as events of payload format 2.0, answers as the
// handler gives them. Whoever comes with another host name is refused.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Invocation, LambdaFunction } from './function.ts';

export interface FunctionUrlOptions {
  fn: LambdaFunction;
  /** `<id>.lambda-url.<region>.on.aws` */
  host: string;
  /** PEM */
  certificate: { chain: string; key: string };
  /** default: any free one */
  port?: number | undefined;
}

export interface FunctionUrl {
  port: number;
  /** `GET /path 200` */
  requests: string[];
  stop(): Promise<void>;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export async function startFunctionUrl(options: FunctionUrlOptions): Promise<FunctionUrl> {
  const { fn, host, certificate, port = 0 } = options;
  const requests: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const event = eventOf(request, await buffer(request), host);
    const isOurs = request.headers.host?.replace(/:\d+$/, '') === host;
    const answer = isOurs ? answerOf(await fn.invoke(event)) : refusal(403, 'Forbidden');
    requests.push(`${request.method} ${request.url} ${answer.status}`);
    response.writeHead(answer.status, answer.headers).end(request.method === 'HEAD' ? '' : answer.body);
  };
  const server = createServer({ cert: certificate.chain, key: certificate.key }, (request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html */
function eventOf(request: IncomingMessage, body: Buffer, domainName: string) {
  const { method = '', url = '', headers, httpVersion, socket } = request;
  const [rawPath = '', rawQueryString = ''] = url.split(/\?(.*)/s);
  const names = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(',')]);
  const now = new Date();
  const http = { method, path: rawPath, protocol: `HTTP/${httpVersion}`, sourceIp: socket.remoteAddress };
  const [domainPrefix] = domainName.split('.');
  const query = Object.fromEntries(new URLSearchParams(rawQueryString));
  return {
    ...{ version: '2.0', routeKey: '$default', rawPath, rawQueryString, headers: Object.fromEntries(names) },
    ...(rawQueryString && { queryStringParameters: query }),
    requestContext: {
      ...{ accountId: 'anonymous', apiId: domainPrefix, domainName, domainPrefix, stage: '$default' },
      ...{ requestId: randomUUID(), routeKey: '$default', time: now.toISOString(), timeEpoch: now.getTime() },
      http: { ...http, userAgent: headers['user-agent'] ?? '' },
    },
    ...(body.length > 0 && { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
  };
}

function answerOf({ status, functionError, payload }: Invocation): Answer {
  if (status === 429) return refusal(429, 'Too Many Requests');
  if (functionError !== undefined) return refusal(502, 'Internal Server Error');
  const result = JSON.parse(payload) as unknown;
  const isWhole = typeof result === 'object' && result !== null && 'statusCode' in result;
  if (!isWhole) return { status: 200, headers: { 'content-type': 'application/json' }, body: payload };
  const { statusCode, headers = {}, body = '', isBase64Encoded = false } = result as ResultDocument;
  return {
    status: statusCode,
    headers: { 'content-type': 'application/json', ...headers },
    body: isBase64Encoded ? Buffer.from(body, 'base64') : body,
  };
}

interface ResultDocument {
  statusCode: number;
  headers?: Record<string, string>;
  body?: string;
  isBase64Encoded?: boolean;
}

const refusal = (status: number, Message: string): Answer => ({
  ...{ status, headers: { 'content-type': 'application/json' } },
  body: JSON.stringify({ Message }),
});
