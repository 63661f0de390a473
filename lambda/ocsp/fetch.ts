/** One exchange with an OCSP responder (RFC 6960 appendix A.1). Plain HTTP is right here: the answer is signed. */
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { SECOND_MS } from '#common/time.ts';
import { OcspUnreachable } from './errors.ts';
import type { OcspQuestion } from './question.ts';
import { requestFor } from './request.ts';
import { type OcspResponse, readResponse } from './response.ts';

/** For connection, answer and body together. */
const TIMEOUT_MS = 10 * SECOND_MS;
/** A response with its responder's certificate has some 2,000 bytes. */
const MAX_BYTES = 65_536;

/** @throws OcspUnreachable, OcspRejected */
export async function fetchResponse(
  url: string,
  asked: OcspQuestion,
): Promise<OcspResponse & { body: Buffer }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const body = await post(url, requestFor(asked.leaf, asked.issuer), signal).catch((error: unknown) => {
    if (error instanceof OcspUnreachable) throw error;
    const seen = signal.aborted ? `no whole answer within ${TIMEOUT_MS} ms` : codeOf(error);
    throw new OcspUnreachable(`${url}: ${seen}`, { cause: error });
  });
  return { ...readResponse(body, asked), body };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).name;
}

async function post(url: string, question: Buffer, signal: AbortSignal): Promise<Buffer> {
  const headers = { 'content-type': 'application/ocsp-request', 'content-length': question.length };
  const send = url.startsWith('https:') ? https : http;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { method: 'POST', headers, signal, agent: false };
    send(url, options, resolve).on('error', reject).end(question);
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new OcspUnreachable(`${url}: wanted at most ${MAX_BYTES} bytes, saw more`);
    chunks.push(chunk);
  }
  if (answer.statusCode !== 200) throw new OcspUnreachable(`${url}: HTTP status ${answer.statusCode}`);
  return Buffer.concat(chunks);
}
