// How an answer of the hostile CA goes over the wire: whole, or in one of the ways in which answers get lost.
import { type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { type Agent, request as sendTls } from 'node:https';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type Wire =
  /** accepts, and never answers */
  | 'hang'
  /** half of the body, then nothing */
  | 'hang-in-body'
  /** RST instead of an answer */
  | 'reset'
  /** half of the body, then RST */
  | 'reset-in-body'
  /** the whole body, a larger content-length, and the end */
  | 'truncate';

export interface CaAnswer {
  status: number;
  headers: Record<string, string | string[]>;
  body: Buffer;
  /** default: whole */
  wire?: Wire;
  /** sent after the body, in zero bytes */
  floodBytes?: number;
}

/** Headers of one hop (RFC 9110 §7.6.1), and the length, which a fault changes. */
const ofOneHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

/** One exchange with the CA behind. The client's Host goes along: Pebble makes and checks its URLs by it. */
export function forwardTo(
  base: URL,
  seen: { method: string; path: string; headers: IncomingMessage['headers']; body: Buffer },
  agent: Agent,
): Promise<CaAnswer> {
  const call = base.protocol === 'https:' ? sendTls : send;
  const { method, headers, path } = seen;
  return new Promise((resolve, reject) => {
    const options = { method, headers, path, agent, host: base.hostname, port: base.port };
    const outgoing = call(options, (incoming) => {
      const all = Object.entries(incoming.headers).filter(([name]) => !ofOneHop.has(name));
      const kept = Object.fromEntries(all) as CaAnswer['headers'];
      buffer(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, headers: kept, body }),
        reject,
      );
    });
    outgoing.once('error', reject).end(seen.body);
  });
}

export async function sendAnswer(response: ServerResponse, socket: Socket, answer: CaAnswer): Promise<void> {
  const { status, headers, body, wire, floodBytes } = answer;
  if (wire === 'hang') return;
  if (wire === 'reset') return void socket.resetAndDestroy();
  if (floodBytes !== undefined) return flood(response, answer, floodBytes);
  const claimed = wire === 'truncate' ? body.length + 1_000 : body.length;
  const isBodiless = status === 204 || response.req.method === 'HEAD';
  response.writeHead(status, isBodiless ? headers : { ...headers, 'content-length': String(claimed) });
  if (wire === undefined) return void response.end(body);
  const sent = wire === 'truncate' ? body : body.subarray(0, Math.floor(body.length / 2));
  await new Promise((done) => response.write(sent.length > 0 ? sent : ' ', done));
  if (wire === 'truncate') response.socket?.end();
  if (wire === 'reset-in-body') socket.resetAndDestroy();
}

/** Without a content-length, so that only counting helps; as fast as the client reads, until it has had enough. */
async function flood(response: ServerResponse, answer: CaAnswer, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(65_536, ' ');
  response.writeHead(answer.status, answer.headers).write(answer.body);
  for (let left = bytes; left > 0 && !response.destroyed; left -= chunk.length) {
    if (response.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      response.once('drain', resolve).once('close', resolve);
    });
  }
  response.end();
}
