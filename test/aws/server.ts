// The front of the stand-in: one port, the service told by the scope of the signature. Per request: signature, what
// is asked, faults, permission, the service itself, the log.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { sendAnswer, type Wire } from '../support/hostile-ca/wire.ts';
import { decodeAwsChunked } from './aws-chunked.ts';
import { authenticationFailure, failureAnswer, wrongRegion } from './failure.ts';
import type { Fault, Faults } from './faults.ts';
import type { Identity } from './identity.ts';
import { accessDenied, type Decide, type Decision, globalContext } from './policy.ts';
import { readPresigned, verifyPresigned, withoutSignature } from './presigned.ts';
import { readClaim, type SignedRequest, verifySignature } from './signature.ts';
import {
  type Answer,
  AwsFailure,
  type AwsRequest,
  type Caller,
  type Check,
  type Operation,
  type Protocol,
  type Service,
  type Session,
} from './wire.ts';

/** One request, as it was told apart and answered. */
export interface Call {
  requestId: string;
  at: Date;
  /** the ARN; undefined if the signature did not hold */
  principal: string | undefined;
  service: string;
  /** as the API calls it, e.g. `HeadObject` */
  operation: string;
  /** an S3 key, a zone's id, a document's name */
  subject: string;
  /** the first of `checks`, e.g. `s3:GetObject` */
  action: string;
  resource: string;
  context: Check['context'];
  /** what AWS knows of every request: transport, address, who it is */
  globals: Check['context'];
  /** each permission that was asked for, also in the middle of the operation, and the answer */
  checks: (Check & { decision: Decision })[];
  /** as the client saw it; 0 for no answer */
  status: number;
  /** of the refusal */
  code: string | undefined;
}

export interface Bench {
  region: string;
  services: Record<string, Service>;
  identity: Identity;
  decide: Decide;
  faults: Faults;
  now: () => Date;
  calls: Call[];
}

export async function listen(bench: Bench): Promise<{ port: number; stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    // a client that has gone is nobody to answer
    serve(bench, request, response).catch(() => request.socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: (server.address() as AddressInfo).port, stop };
}

async function serve(bench: Bench, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const request = readRequest(incoming, await buffer(incoming));
  const requestId = `R${String(bench.calls.length + 1).padStart(15, '0')}`;
  const call = newCall(requestId, bench.now());
  bench.calls.push(call);
  const outcome = await answerOf(bench, request, call);
  call.status = outcome.wire === 'hang' || outcome.wire === 'reset' ? 0 : outcome.status;
  const headers = {
    date: bench.now().toUTCString(),
    ...{ 'x-amzn-requestid': requestId, 'x-amz-request-id': requestId, 'x-amz-id-2': requestId },
    ...outcome.headers,
  };
  const body = request.method === 'HEAD' ? Buffer.alloc(0) : Buffer.from(outcome.body);
  const wire = outcome.wire ? { wire: outcome.wire } : {};
  if (request.method !== 'HEAD' || wire.wire) {
    return sendAnswer(response, incoming.socket, { status: outcome.status, headers, body, ...wire });
  }
  response.writeHead(outcome.status, headers).end();
}

export const newCall = (requestId: string, at: Date): Call => ({
  ...{ requestId, at, principal: undefined, service: '', operation: '', subject: '' },
  ...{ action: '', resource: '', context: {}, globals: {}, checks: [], status: 0, code: undefined },
});

function readRequest({ method = '', url = '', headers }: IncomingMessage, body: Buffer): SignedRequest {
  const [path = '', search = ''] = url.split(/\?(.*)/s);
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  const query = Object.fromEntries(new URLSearchParams(search));
  return { method, path, query, headers: Object.fromEntries(texts), body };
}

async function answerOf(bench: Bench, request: SignedRequest, call: Call): Promise<Answer & { wire?: Wire }> {
  const inHeaders = readClaim(request.headers);
  let protocol: Protocol = 's3';
  try {
    const claim = inHeaders ?? readPresigned(request);
    call.service = claim?.service ?? '';
    const service = bench.services[call.service];
    protocol = service?.protocol ?? 's3';
    if (!claim) throw authenticationFailure(protocol, 'missing');
    if (call.service === 's3' && claim.region !== bench.region) throw wrongRegion(claim.region, bench.region);
    if (!service) throw new AwsFailure(400, 'UnknownService', `the stand-in knows no ${claim.service}`);
    const holder = bench.identity.holderOf(claim.accessKeyId);
    if (inHeaders) {
      await verifySignature(request, claim, holder?.credentials, { protocol, now: bench.now() });
    } else verifyPresigned(request, claim, holder?.credentials, bench.now());
    const caller = holder as Caller;
    call.principal = caller.arn;
    call.globals = globalContext(caller, bench.region);
    const operation = service.read(
      unframe(inHeaders ? request : withoutSignature(request), claim.region),
      caller,
    );
    Object.assign(call, { operation: operation.name, subject: operation.subject });
    return await perform(bench, operation, sessionOf(bench, caller, protocol, call), call);
  } catch (error) {
    const failure = error instanceof AwsFailure ? error : bug(error);
    call.code = failure.code;
    return failureAnswer(protocol, failure, call.requestId);
  }
}

async function perform(
  bench: Bench,
  operation: Operation,
  session: Session,
  call: Call,
): Promise<Answer & { wire?: Wire }> {
  const { service } = call;
  operation.admit?.();
  const fault = bench.faults.next({ service, operation: operation.name, subject: operation.subject });
  if (typeof fault === 'object' && 'refuse' in fault) throw fault.refuse;
  if (typeof fault === 'object' && 'before' in fault) {
    return { status: 0, headers: {}, body: '', wire: fault.before };
  }
  for (const check of operation.checks) await session.require(check);
  return spoil(await operation.run(session), fault);
}

function spoil(answer: Answer, fault: Fault | undefined): Answer & { wire?: Wire } {
  if (fault === undefined) return answer;
  if (typeof fault === 'object') return 'wire' in fault ? { ...answer, wire: fault.wire } : answer;
  const body = Buffer.from(answer.body);
  body[0] = (body[0] ?? 0) ^ 1;
  return { ...answer, body };
}

export function sessionOf({ decide }: Bench, caller: Caller, protocol: Protocol, call: Call): Session {
  const ask = async (check: Check) => {
    const { action, resource, context } = check;
    if (call.checks.length === 0) Object.assign(call, { action, resource, context });
    const decision = await decide(caller, check);
    call.checks.push({ ...check, decision });
    return decision;
  };
  return {
    caller,
    isAllowed: async (check) => (await ask(check)) === 'allowed',
    require: async (check) => {
      const decision = await ask(check);
      if (decision !== 'allowed') throw accessDenied(protocol, caller, check, decision);
    },
  };
}

function unframe(request: SignedRequest, region: string): AwsRequest {
  const { headers } = request;
  if (headers['x-amz-content-sha256'] !== 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') {
    return { ...request, region, trailers: {} };
  }
  const length = Number(headers['x-amz-decoded-content-length']);
  return { ...request, region, ...decodeAwsChunked(request.body, length) };
}

/** A fault of the stand-in itself: told aloud, since the client would only try again. */
function bug(error: unknown): AwsFailure {
  console.error('the AWS stand-in failed:', error);
  return new AwsFailure(500, 'InternalError', String(error));
}
