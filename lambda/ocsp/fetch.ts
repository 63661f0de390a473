/** One exchange with an OCSP responder (RFC 6960 appendix A.1). Plain HTTP is right here: the answer is signed. */
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { readBody } from '#common/bounded-body.ts';
import { OutOfReach, reaching } from '#common/net/reach.ts';
import { SECOND_MS } from '#common/time.ts';
import { OcspUnreachable } from './errors.ts';
import type { OcspQuestion } from './question.ts';
import { requestFor } from './request.ts';
import { type OcspResponse, readResponse } from './response.ts';

/** For connection, answer and body together. */
const TIMEOUT_MS = 10 * SECOND_MS;
/** A response with its responder's certificate has some 2,000 bytes. */
const MAX_BYTES = 65_536;

/**
 * @param url that the certificate names
 * @param allowsPrivate its CA is one of a private network
 * @throws OcspUnreachable, OcspRejected
 */
export async function fetchResponse(
  url: string,
  asked: OcspQuestion,
  allowsPrivate = false,
): Promise<OcspResponse & { body: Buffer }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const exchange = { url: new URL(url), question: requestFor(asked.leaf, asked.issuer), allowsPrivate };
  const body = await post(exchange, signal).catch((error: unknown) => {
    const seen = signal.aborted ? `no whole answer within ${TIMEOUT_MS} ms` : textOf(error);
    // Without the cause: its text stands here already.
    throw new OcspUnreachable(`${url}: ${seen}`, error instanceof OutOfReach && error.isAllowable);
  });
  return { ...readResponse(body, asked), body };
}

function textOf(error: unknown): string {
  const { code, message, name } = error as NodeJS.ErrnoException;
  const isOwn = error instanceof OutOfReach || error instanceof HttpStatus || name === 'BodyTooLarge';
  return isOwn ? message : (code ?? name);
}

class HttpStatus extends Error {}

interface Exchange {
  url: URL;
  question: Buffer;
  allowsPrivate: boolean;
}

async function post({ url, question, allowsPrivate }: Exchange, signal: AbortSignal): Promise<Buffer> {
  const headers = { 'content-type': 'application/ocsp-request', 'content-length': question.length };
  const send = url.protocol === 'https:' ? https : http;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { method: 'POST', headers, signal, agent: false, ...reaching(url, { allowsPrivate }) };
    send(url, options, resolve).on('error', reject).end(question);
  });
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new HttpStatus(`HTTP status ${answer.statusCode}`);
  }
  return readBody(answer, { maxBytes: MAX_BYTES, declared: answer.headers['content-length'], signal });
}
