/** A certificate as another program has left it for HAProxy: any order of its parts, any form of its key. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { assemble, keyTypeOf, verify } from '#contract/combined-pem.ts';
import { PemRejected } from '#contract/errors.ts';
import { issuedChainOf } from '../../import/chain.ts';

/** In the one form that is published. */
export interface PresentPem {
  text: string;
  leaf: X509Certificate;
  keyType: string;
}

/** Why it cannot be adopted, and what to do. */
export interface NotAdoptable {
  why: string;
  /** HAProxy serves it all the same; absent: nobody knows what it is. */
  leaf?: X509Certificate | undefined;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/g;

/** @param content of one file, or of a certificate's and of its key's one after the other */
export function readPresentPem(content: string, now: Date): PresentPem | NotAdoptable {
  const certificates = certificatesIn(content);
  const pem = presentPem(content, certificates, now);
  // Of several, HAProxy serves the first one.
  return 'why' in pem ? { leaf: certificates[0], ...pem } : pem;
}

function presentPem(
  content: string,
  certificates: readonly X509Certificate[],
  now: Date,
): PresentPem | NotAdoptable {
  const keys = [...content.matchAll(KEY)];
  const [block] = keys;
  if (block === undefined)
    return { why: 'holds no private key: put certificate, intermediates and key into one file' };
  if (keys.length > 1) return { why: 'holds several private keys: one file, one certificate' };
  if (/ENCRYPTED/.test(block[0]))
    return { why: 'its private key is encrypted: HAProxy takes none, nor does pemfleet' };
  const key = privateKey(block[0]);
  if (key === undefined) return { why: 'its private key cannot be read' };
  const leaf = certificates.find((one) => one.checkPrivateKey(key));
  if (leaf === undefined) return { why: 'none of its certificates belongs to its private key' };
  if (leaf.issuer === leaf.subject) return { why: 'is self-signed: it stays as it is' };
  if (now >= new Date(leaf.validTo)) {
    return { why: `has expired (${new Date(leaf.validTo).toISOString()}): renew it, or take it away` };
  }
  try {
    const { chain, isIssuedByRoot } = issuedChainOf(leaf, certificates, now);
    if (isIssuedByRoot) return { why: ISSUED_BY_ROOT };
    const text = assemble(chain.map(String), block[0]);
    verify(text, { identifiers: [] }, now);
    return { text, leaf, keyType: keyTypeOf(leaf.publicKey) };
  } catch (error) {
    if (!(error instanceof PemRejected)) throw error;
    return { why: `${error.message}${CURES[error.code] ?? ''}` };
  }
}

const ISSUED_BY_ROOT =
  'was issued by a root itself, without an intermediate: pemfleet import publishes it, and nobody orders its renewal';

const CURES: Readonly<Record<string, string>> = {
  ERR_PEM_CHAIN: ': put the intermediates of its CA behind the certificate, then adopt again',
};

function privateKey(block: string): KeyObject | undefined {
  try {
    return createPrivateKey(block);
  } catch {
    // OpenSSL's words may describe what is in the key.
    return undefined;
  }
}

function certificatesIn(content: string): X509Certificate[] {
  return (content.match(CERTIFICATE) ?? []).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
