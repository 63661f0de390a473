// Lambda's Runtime API (2018-06-01) for one execution environment: the process asks for an event and posts its answer.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface RuntimeEvent {
  requestId: string;
  deadline: Date;
  functionArn: string;
  /** JSON */
  payload: string;
}

export interface RuntimeAnswer {
  /** JSON: what the handler returned, or the document of its error */
  payload: string;
  isError: boolean;
}

export interface RuntimeApi {
  /** host:port, for AWS_LAMBDA_RUNTIME_API */
  address: string;
  /** Hands an event over, and waits for what comes back. */
  send(event: RuntimeEvent): Promise<RuntimeAnswer>;
  stop(): Promise<void>;
}

export interface RuntimeHooks {
  /** The process asks for an event, and there is none: from here on Lambda lets it rest. */
  onIdle(): void;
  /** The handler could not be loaded. @param payload the document of the error */
  onInitError(payload: string): void;
}

interface Desk {
  hooks: RuntimeHooks;
  /** Who asks for an event. */
  waiting: ServerResponse | undefined;
  /** What was not yet asked for, or not yet answered. */
  current: { event: RuntimeEvent; isTaken: boolean; settle: (answer: RuntimeAnswer) => void } | undefined;
}

const ROOT = '/2018-06-01/runtime';

export async function startRuntimeApi(hooks: RuntimeHooks): Promise<RuntimeApi> {
  const desk: Desk = { hooks, waiting: undefined, current: undefined };
  const server = createServer((request, response) => void serve(desk, request, response));
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    send: (event) =>
      new Promise((settle) => {
        desk.current = { event, isTaken: false, settle };
        handOver(desk);
      }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request;
  const payload = await text(request);
  if (method === 'GET' && url === `${ROOT}/invocation/next`) {
    desk.waiting = response;
    if (!handOver(desk)) desk.hooks.onIdle();
    return;
  }
  if (method === 'POST' && url === `${ROOT}/init/error`) {
    desk.hooks.onInitError(payload);
    return accept(response);
  }
  const [, requestId, verb] = new RegExp(`^${ROOT}/invocation/([^/]+)/(response|error)$`).exec(url) ?? [];
  if (method !== 'POST' || verb === undefined) return refuse(response, 404, 'NotFound');
  const { current } = desk;
  if (!current?.isTaken || current.event.requestId !== requestId) {
    return refuse(response, 400, 'InvalidRequestID');
  }
  desk.current = undefined;
  accept(response);
  current.settle({ payload, isError: verb === 'error' });
}

/** @returns whether there was an event for who asks */
function handOver(desk: Desk): boolean {
  const { current, waiting } = desk;
  if (current === undefined || current.isTaken || waiting === undefined) return false;
  const { requestId, deadline, functionArn, payload } = current.event;
  current.isTaken = true;
  desk.waiting = undefined;
  waiting
    .writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': requestId,
      'lambda-runtime-deadline-ms': String(deadline.getTime()),
      'lambda-runtime-invoked-function-arn': functionArn,
    })
    .end(payload);
  return true;
}

const accept = (response: ServerResponse) => void response.writeHead(202).end('{"status":"OK"}');

const refuse = (response: ServerResponse, status: number, errorType: string) =>
  void response.writeHead(status).end(JSON.stringify({ errorType, errorMessage: errorType }));
