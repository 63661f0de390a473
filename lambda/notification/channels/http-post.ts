/** One request to a receiver: TLS verified, no redirect followed, the answer bounded. Of its URL, an error says the host only. */
import { request as sendPlain } from 'node:http';
import { request as sendTls } from 'node:https';
import { readBody } from '#common/bounded-body.ts';
import { printable } from '#common/printable.ts';

export interface HttpPost {
  url: URL;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** Trust anchors, PEM. */
  ca?: string | undefined;
  signal: AbortSignal;
}

/** Whatever a receiver says beyond that, nobody reads. */
const [MAX_ANSWER_BYTES, MAX_SAID] = [16_384, 120];

/** @returns what it says, for people. @throws Error if it says anything but 2xx */
export async function httpPost(post: HttpPost): Promise<string> {
  const { url } = post;
  const { status, said } = await send(post).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${url.host} does not answer: ${error.code ?? error.name} ${error.message}`);
  });
  if (status >= 200 && status < 300) return `${url.host} answers ${status}`;
  if (status >= 300 && status < 400) {
    throw new Error(
      `${url.host} answers ${status}, a redirect, which is not followed: set the URL that it leads to`,
    );
  }
  throw new Error(`${url.host} answers ${status}: ${withoutSecrets(said, url)}`);
}

function send({ url, headers, body, ca, signal }: HttpPost): Promise<{ status: number; said: string }> {
  const open = url.protocol === 'https:' ? sendTls : sendPlain;
  const bytes = Buffer.from(body);
  const options = {
    method: 'POST',
    headers: { ...headers, 'content-length': bytes.length },
    ...{ signal, agent: false, ...(ca !== undefined && { ca }) },
  } as const;
  return new Promise((resolve, reject) => {
    const sent = open(url, options, (response) => {
      const { statusCode: status = 0 } = response;
      const read = readBody(response, { maxBytes: MAX_ANSWER_BYTES });
      read.then(
        (said) => resolve({ status, said: said.toString('utf8') }),
        // It has taken the message, or not: its status says so.
        () => resolve({ status, said: 'with a longer answer than is read' }),
      );
    });
    sent.on('error', reject).end(bytes);
  });
}

/** A receiver may quote the path, and in that of Slack stands the secret. */
function withoutSecrets(said: string, { pathname, search }: URL): string {
  const parts = [...pathname.split('/'), ...search.split(/[?&=]/)].filter((part) => part.length >= 6);
  const cleared = parts.reduce((text, part) => text.replaceAll(part, '…'), said);
  return printable(cleared).trim().slice(0, MAX_SAID);
}
