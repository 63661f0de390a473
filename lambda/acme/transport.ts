/**
 * One HTTPS exchange with the CA: one deadline for all of it, a cap on the body, our trust anchors. It replaces
 * acme-client's axios, which has no time-out, sleeps through a 429's Retry-After inside the call and turns
 * network errors into a TypeError.
 */
import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { BodyTooLarge, readBody } from '#common/bounded-body.ts';
import { OutOfReach, type Reach, reaching } from '#common/net/reach.ts';
import { isPrivateAddress } from '#common/public-address.ts';
import { SECOND_MS } from '#common/time.ts';
import { AcmeDeadline, NoAcmeAnswer, NoAnswerInTime } from './problem.ts';

export interface TransportOptions {
  userAgent: string;
  /**
   * The URL that the operator has configured, which is asked wherever it is. All others are named by the CA, and asked at public
   * addresses only, or at private ones if `isPrivate`, or, where nobody says whether, if the directory has answered from one. Absent: all are asked.
   */
  directoryUrl?: string;
  isPrivate?: boolean | undefined;
  /** PEM of the trust anchors of a private CA. */
  ca?: string | undefined;
  /** Limit for connection, answer and body together. */
  timeoutMs?: number;
  maxBytes?: number;
  /** Time that the pass has left: no exchange goes on beyond it. */
  remainingMs?: () => number;
  /** Called after each exchange, for debug logs and counts. */
  onExchange?: (exchange: { method: string; url: string; status: number }) => void;
}

export interface AcmeResponse {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  /** The parsed body if its content type is JSON, else its text. */
  data: unknown;
}

export type Transport = (
  method: 'GET' | 'HEAD' | 'POST',
  url: string,
  body?: object,
) => Promise<AcmeResponse>;

const TIMEOUT_MS = 20 * SECOND_MS;
const MAX_BYTES = 1_048_576;

export interface OpenTransport {
  exchange: Transport;
  /** Whether what the CA names may be in a private network: as configured, or as the directory's address has shown. */
  allowsPrivate: () => boolean;
  close: () => void;
}

export function createTransport(options: TransportOptions): OpenTransport {
  const { ca, userAgent, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: 10, ca });
  const reach = reachOf(options);

  const exchange: Transport = async (method, url, body) => {
    const remainingMs = Math.max(0, Math.floor(options.remainingMs?.() ?? Number.POSITIVE_INFINITY));
    const signal = AbortSignal.timeout(Math.min(timeoutMs, remainingMs));
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      'user-agent': userAgent,
      ...(payload && {
        'content-type': 'application/jose+json',
        'content-length': Buffer.byteLength(payload),
      }),
    };
    try {
      const isNamed = reach !== undefined && url !== options.directoryUrl;
      const target = new URL(url);
      const bounds = isNamed ? reaching(target, reach) : {};
      const answer = await send(target, { method, headers, agent, signal, ...bounds }, payload);
      if (reach !== undefined && !isNamed && options.isPrivate === undefined) {
        reach.allowsPrivate ||= isPrivateAddress(remoteOf(answer));
      }
      const text = await readText(answer, maxBytes, signal);
      const response = toResponse(answer, text);
      options.onExchange?.({ method, url, status: response.status });
      return response;
    } catch (error) {
      if (signal.aborted && remainingMs < timeoutMs) {
        throw new AcmeDeadline(
          `${method} ${url} was under way when the pass's time ended; the next pass goes on`,
        );
      }
      throw unreachable(method, url, signal.aborted ? timeoutMs : undefined, error);
    }
  };
  return { exchange, allowsPrivate: () => reach?.allowsPrivate ?? true, close: () => agent.destroy() };
}

/** A CA in a private network names what is there, too: its certificate has shown that it is the one that is configured. */
function reachOf({ directoryUrl, isPrivate = false }: TransportOptions): Reach | undefined {
  return directoryUrl === undefined ? undefined : { allowsPrivate: isPrivate, own: new URL(directoryUrl) };
}

function remoteOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
}

function send(url: URL, options: RequestOptions, payload: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, options, resolve).on('error', reject).end(payload);
  });
}

async function readText(answer: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<string> {
  try {
    const declared = answer.headers['content-length'];
    return (await readBody(answer, { maxBytes, declared, signal })).toString('utf8');
  } catch (error) {
    if (!(error instanceof BodyTooLarge)) throw error;
    throw new NoAcmeAnswer(`wanted a body of at most ${maxBytes} bytes, saw more`, { cause: error });
  }
}

function toResponse(answer: IncomingMessage, text: string): AcmeResponse {
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  const isJson = /^application\/(problem\+)?json\b/.test(headers['content-type'] ?? '');
  const status = answer.statusCode ?? 0;
  return { status, headers, data: isJson && text !== '' ? parseJson(text, status) : text };
}

function parseJson(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body: it must not become ours.
    throw new NoAcmeAnswer(`HTTP ${status}, and the body is not the JSON that it is declared to be`);
  }
}

function unreachable(
  method: string,
  url: string,
  timedOutMs: number | undefined,
  cause: unknown,
): NoAcmeAnswer {
  if (cause instanceof NoAcmeAnswer) return new NoAcmeAnswer(`${method} ${url}: ${cause.message}`);
  if (timedOutMs !== undefined) {
    return new NoAnswerInTime(`${method} ${url}: no whole answer within ${timedOutMs} ms`, { cause });
  }
  if (cause instanceof OutOfReach) {
    // Without the cause: its text stands here already.
    return new NoAcmeAnswer(`${method} ${url}: ${cause.message}`);
  }
  const { code, name, message } = cause as NodeJS.ErrnoException;
  // Node's words for a connection that ended before any answer: so does a server that has HTTP/2 only.
  const hint = message === 'socket hang up' ? ', closed without an answer: does it speak HTTP/1.1?' : '';
  return new NoAcmeAnswer(`${method} ${url}: ${code ?? name}${hint}`, { cause });
}
