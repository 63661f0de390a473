// An OCSP responder: openssl(1) answers, behind an HTTP server that counts and can be told what to say.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeTempDir } from '../temp-dir.ts';

export interface OcspSigner {
  pem: string;
  keyPem: string;
}

export interface OcspResponder {
  url: string;
  /** The CA whose certificates it knows, and who signs if that is another. Before: everything is refused. */
  serve(ca: OcspSigner, signer?: OcspSigner): void;
  /** hexadecimal serials, as Node writes them; all others are unknown to it */
  good: Set<string>;
  revoked: Set<string>;
  /** how long a response is good */
  validMinutes: number;
  /** while set, the HTTP status of every answer */
  httpStatus: number | undefined;
  requests: number;
  /** What it would answer, without HTTP. */
  answer(request: Buffer): Promise<Buffer>;
  stop(): Promise<void>;
}

const run = promisify(execFile);

export async function startOcspResponder(): Promise<OcspResponder> {
  const dir = makeTempDir();
  const file = (name: string) => join(dir.path, name);
  const server = createServer(async (request, response) => {
    responder.requests += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = await responder.answer(Buffer.concat(chunks)).catch((error: Error) => error.message);
    const status = responder.httpStatus ?? (typeof body === 'string' ? 500 : 200);
    response.writeHead(status, { 'content-type': 'application/ocsp-response' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const responder: OcspResponder = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`,
    serve: (ca, signer = ca) => {
      writeFileSync(file('ca.pem'), ca.pem);
      writeFileSync(file('signer.pem'), signer.pem);
      writeFileSync(file('signer.key'), signer.keyPem, { mode: 0o600 });
    },
    ...{ good: new Set(), revoked: new Set(), validMinutes: 60, httpStatus: undefined, requests: 0 },
    answer: async (request) => {
      const [index, question, answer] = ['index', 'question', 'answer'].map((name) =>
        file(`${name}-${randomBytes(4).toString('hex')}`),
      ) as [string, string, string];
      writeFileSync(index, indexOf(responder));
      writeFileSync(question, request);
      const args = ['-index', index, '-CA', file('ca.pem'), '-reqin', question, '-respout', answer];
      const signing = ['-rsigner', file('signer.pem'), '-rkey', file('signer.key')];
      await run('openssl', ['ocsp', ...args, ...signing, '-nmin', String(responder.validMinutes)]);
      return readFileSync(answer);
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      dir.remove();
    },
  };
  return responder;
}

/** The database of openssl-ca(1): status, expiry, revocation, serial, file, subject. */
function indexOf({ good, revoked }: OcspResponder): string {
  const rows = (serials: Set<string>, status: string, when: string) =>
    [...serials].map((serial) =>
      [status, '491231235959Z', when, serial, 'unknown', `/CN=${serial}`].join('\t'),
    );
  return [...rows(good, 'V', ''), ...rows(revoked, 'R', '260101000000Z'), ''].join('\n');
}

/** A certificate with OCSPSigning (or, for a test, without) that `ca` has given to a responder. */
export async function delegateOf(ca: OcspSigner, isAllowed = true): Promise<OcspSigner> {
  const dir = makeTempDir();
  const file = (name: string) => join(dir.path, name);
  try {
    writeFileSync(file('ca.pem'), ca.pem);
    writeFileSync(file('ca.key'), ca.keyPem, { mode: 0o600 });
    writeFileSync(
      file('ext'),
      isAllowed ? 'extendedKeyUsage=OCSPSigning\n' : 'extendedKeyUsage=serverAuth\n',
    );
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('key')];
    await run('openssl', ['req', ...key, '-subj', '/CN=responder', '-out', file('csr')]);
    const by = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('ext')];
    await run('openssl', ['x509', '-req', '-in', file('csr'), ...by, '-days', '7', '-out', file('pem')]);
    return { pem: readFileSync(file('pem'), 'utf8'), keyPem: readFileSync(file('key'), 'utf8') };
  } finally {
    dir.remove();
  }
}
