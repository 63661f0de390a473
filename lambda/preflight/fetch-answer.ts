/** One request for a challenge answer as a CA makes it (RFC 8555 §8.3), to one address of a name. */
import { type IncomingMessage, request } from 'node:http';
import { readBody } from '#common/bounded-body.ts';

export interface AnswerRequest {
  address: string;
  /** 80, but for tests. */
  port: number;
  /** Of the header Host. */
  name: string;
  token: string;
}

const TIMEOUT_MS = 10_000;
/** An answer has some 90. */
const MAX_BYTES = 4096;
/** Of what is there in its place, in a message. */
const SHOWN = 60;

/** @returns the text, or what came in its place, for people */
export async function fetchAnswer(asked: AnswerRequest): Promise<{ text: string } | { problem: string }> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await send(asked, signal);
    const { headers, statusCode = 0 } = answer;
    if (statusCode >= 300 && statusCode < 400) {
      answer.destroy();
      return { problem: `a redirect (${statusCode}) to ${headers.location ?? 'nowhere'}` };
    }
    const body = await readBody(answer, { maxBytes: MAX_BYTES, signal });
    const text = body.toString('latin1').trimEnd();
    return statusCode === 200 ? { text } : { problem: `HTTP ${statusCode}: ${text.slice(0, SHOWN)}` };
  } catch (error) {
    const { code, message, name } = error as NodeJS.ErrnoException;
    if (name === 'AbortError' || name === 'TimeoutError')
      return { problem: `no answer in ${TIMEOUT_MS / 1000} s` };
    return { problem: code ?? message };
  }
}

function send({ address, name, port, token }: AnswerRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const host = name.includes(':') ? `[${name}]` : name;
  return new Promise((resolve, reject) => {
    const path = `/.well-known/acme-challenge/${token}`;
    const sent = request({ host: address, port, path, headers: { host }, signal, agent: false }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}
