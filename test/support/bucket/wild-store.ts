// A store that answers what no S3 would: for what a body may declare, hold and last. It checks no signature.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setEnv } from '../env.ts';

const MIB = Buffer.alloc(1_048_576, '[');

/** Sends `[` without an end, as fast as the reader takes it. @returns the bytes that were sent */
export function sendForever(response: ServerResponse): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    const send = () => {
      do bytes += MIB.length;
      while (response.write(MIB));
    };
    response.on('drain', send).on('close', () => resolve(bytes));
    send();
  });
}

/** @returns the bucket's address */
export async function startWildStore(
  t: TestContext,
  answer: (response: ServerResponse, url: URL) => unknown,
): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('etag', '"wild"');
    answer(response, new URL(request.url ?? '', 'http://localhost'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  t.after(setEnv({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'eu-central-1' }));
  return `s3://certs?endpoint=http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
