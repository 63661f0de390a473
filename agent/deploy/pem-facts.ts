/**
 * Reads a file of HAProxy's directory as HAProxy does (it accepts more than our canonical form): would it stop the next
 * start? The key is compared with the certificate and not kept.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { leafNamesOf } from '#contract/combined-pem.ts';

export interface PemFacts {
  /** Why HAProxy would not start with it. */
  problem: string | undefined;
  serial: string;
  /** `subjectAltName`, and the common name, which HAProxy counts as a name too. */
  names: readonly string[];
  /** `rsa`, `ec`: HAProxy serves both of two files that share a name but differ in the kind. */
  keyKind: string;
  notAfter: Date | undefined;
}

/** Without a look at its key, which takes ten times as long. @returns undefined: it holds no certificate that can be parsed */
export function leafEndIn(text: string): Date | undefined {
  const leaf = leafIn(text);
  return typeof leaf === 'string' ? undefined : new Date(leaf.validTo);
}

const MIN_RSA_BITS = 2048;
const NO_CERTIFICATE = { serial: '', names: [], keyKind: '', notAfter: undefined };

/** @param keyText of the side file `X.key`, if there is one */
export function pemFactsOf(text: string, keyText = ''): PemFacts {
  const leaf = leafIn(text);
  if (typeof leaf === 'string') return { problem: leaf, ...NO_CERTIFICATE };
  return {
    problem: keyProblem(leaf, `${text}\n${keyText}`),
    serial: leaf.serialNumber,
    names: leafNamesOf(leaf),
    keyKind: leaf.publicKey.asymmetricKeyType ?? '',
    notAfter: new Date(leaf.validTo),
  };
}

function leafIn(text: string): X509Certificate | string {
  if (text.trim() === '') return 'is empty';
  const [block] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
  if (block === undefined) return 'holds no certificate';
  try {
    return new X509Certificate(block);
  } catch {
    return 'holds a certificate that cannot be parsed';
  }
}

function keyProblem(leaf: X509Certificate, text: string): string | undefined {
  const [block] =
    /-----BEGIN ([A-Z]+ )*PRIVATE KEY-----[\s\S]+?-----END ([A-Z]+ )*PRIVATE KEY-----/.exec(text) ?? [];
  if (block === undefined) return 'holds no private key';
  if (/ENCRYPTED/.test(block)) return 'holds an encrypted private key';
  const key = parseKey(block);
  if (key === undefined) return 'holds a private key that cannot be parsed';
  if (!leaf.checkPrivateKey(key)) return 'holds the private key of another certificate';
  const bits = key.asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS;
  return bits < MIN_RSA_BITS ? `has a weak key (RSA of ${bits} bits)` : undefined;
}

function parseKey(block: string): KeyObject | undefined {
  try {
    return createPrivateKey(block);
  } catch {
    return undefined;
  }
}
