// Certificates that no CA should hand out, and that some have: of another key, for other names, out of date, in
// a wrong order. Leaves are signed by a CA of our own, for the key of the client's own CSR.

import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Fault } from './hostile-ca.ts';

const dayMs = 86_400_000;
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface ForgedLeaf {
  names: readonly string[];
  /** days from now */
  from?: number;
  to?: number;
  /** for a key of our own in the place of the CSR's */
  isOfAnotherKey?: boolean;
}

/** The chain rearranged: PEM blocks in, text out. */
export function rearranged(edit: (blocks: string[]) => string | Promise<string>): Fault {
  return async ({ forward }) => {
    const answer = await forward();
    if (answer.status !== 200) return answer;
    const blocks = answer.body.toString().match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];
    return { ...answer, body: Buffer.from(await edit(blocks)) };
  };
}

export const withoutIntermediate = rearranged(([leaf]) => leaf ?? '');
export const backwards = rearranged(([leaf, ...rest]) => [leaf, ...rest.reverse()].join(''));
export const leafLast = rearranged((blocks) => blocks.reverse().join(''));
export const withRoot = (rootPem: string) => rearranged((blocks) => blocks.join('') + rootPem);
/** RFC 8555 §9.1 forbids it; Windows-made chains come so. */
export const withComments = rearranged((blocks) =>
  `${['subject=CN = a', ...blocks, 'the end'].join('\nissuer=CN = b\n\n')}\n`.replaceAll('\n', '\r\n'),
);
export const unreadable = rearranged((blocks) => blocks.join('').replace(/MII/g, 'AAA'));

/** A leaf of this kind, and the one intermediate that signed it. */
export function forged(leaf: ForgedLeaf): Fault {
  return async ({ forward, orders, path }) => {
    const answer = await forward();
    const csr = orders.csrOf(path);
    if (answer.status !== 200 || csr === undefined) return answer;
    return { ...answer, body: Buffer.from(await forge(leaf, csr)) };
  };
}

async function forge(
  { names, from = -1, to = 89, isOfAnotherKey = false }: ForgedLeaf,
  csr: Buffer,
): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const request = new x509.Pkcs10CertificateRequest(csr);
  const common = { issuer: 'CN=hostile CA', signingKey: keys.privateKey, signingAlgorithm: ecdsa };
  const authority = await x509.X509CertificateGenerator.create({
    ...common,
    subject: 'CN=hostile CA',
    // not self-signed for the eye: its issuer is a root that nobody has
    issuer: 'CN=hostile root',
    publicKey: keys.publicKey,
    notBefore: new Date(Date.now() - 400 * dayMs),
    notAfter: new Date(Date.now() + 400 * dayMs),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const leaf = await x509.X509CertificateGenerator.create({
    ...common,
    subject: [],
    publicKey: isOfAnotherKey ? keys.publicKey : request.publicKey,
    notBefore: new Date(Date.now() + from * dayMs),
    notAfter: new Date(Date.now() + to * dayMs),
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return [leaf, authority].map((certificate) => `${certificate.toString('pem')}\n`).join('');
}
