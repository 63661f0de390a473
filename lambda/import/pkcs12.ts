/**
 * PKCS#12 (RFC 7292), as Windows, Java, OpenSSL and CAs write it: with the encryption of today (PBES2, AES) and of yesterday (3DES, RC2),
 * which OpenSSL 3 opens no more. Only `pemfleet import` loads this file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import forge from 'node-forge/lib/forge.js';
import 'node-forge/lib/pkcs12.js';
import type { Asn1, SafeBag } from 'node-forge/lib/pkcs12.js';
import { ImportRefused } from './refused.ts';

/** Rounds that derive a key from the passphrase, for the check of the whole and for each encrypted part; a file says how many, and today's programs say 2048 to some 100,000. */
const MAX_ITERATIONS = 5_000_000;

interface Pkcs12Content {
  certificates: X509Certificate[];
  keys: KeyObject[];
}

/**
 * EncryptedPrivateKeyInfo (RFC 5958 §3) ::= SEQUENCE { AlgorithmIdentifier, OCTET STRING }; OpenSSL, which opens it, makes as many rounds as it says.
 * @throws ImportRefused
 */
export function refuseEndlessKey(where: string, der: Buffer): void {
  const algorithm = childOf(parseAsn1(where, der, 'an encrypted private key'), 0);
  refuseMore(where, algorithm === undefined ? 0 : largestIn(algorithm));
}

/**
 * @param passphrase undefined: nobody has given one; many files have an empty one
 * @throws ImportRefused; nothing in it is from the file's content
 */
export function readPkcs12(file: string, body: Buffer, passphrase: string | undefined): Pkcs12Content {
  const asn1 = parseAsn1(file, body, 'PKCS#12');
  refuseEndless(file, asn1);
  const bags = openBags(file, asn1, passphrase);
  const certificates = bags.flatMap((bag) => certificateIn(file, bag) ?? []);
  const keys = bags.flatMap((bag) => keyIn(file, bag) ?? []);
  return { certificates, keys };
}

function parseAsn1(file: string, body: Buffer, wanted: string): Asn1 {
  try {
    return forge.asn1.fromDer(body.toString('latin1'), { strict: false, parseAllBytes: false });
  } catch {
    throw new ImportRefused(`${file}: wanted ${wanted}, saw something that is cut off or damaged`);
  }
}

class EndlessDerivation extends Error {}

const { getCipher } = forge.pbe;

/** Its parameters are a salt, the rounds and the length of a key. Some stand in what was encrypted itself, so that only here all are seen. */
forge.pbe.getCipher = (oid, parameters, passphrase) => {
  const rounds = largestIn(parameters);
  if (rounds > MAX_ITERATIONS)
    throw new EndlessDerivation(`wanted at most ${MAX_ITERATIONS} iterations, saw ${rounds}`);
  return getCipher(oid, parameters, passphrase);
};

/** Universal tag 2. */
function largestIn(asn1: Asn1): number {
  if (typeof asn1.value === 'string') return asn1.type === 2 ? numberIn(asn1.value) : 0;
  return Math.max(0, ...asn1.value.map(largestIn));
}

const numberIn = (bytes: string) => [...bytes].reduce((sum, byte) => sum * 256 + byte.charCodeAt(0), 0);

/** PFX ::= SEQUENCE { version, authSafe, macData SEQUENCE { mac, salt, iterations } OPTIONAL } */
function refuseEndless(file: string, asn1: Asn1): void {
  const bytes = childOf(childOf(asn1, 2), 2)?.value;
  if (typeof bytes !== 'string') return;
  refuseMore(file, numberIn(bytes));
}

function refuseMore(file: string, iterations: number): void {
  if (iterations <= MAX_ITERATIONS) return;
  throw new ImportRefused(`${file}: wanted at most ${MAX_ITERATIONS} iterations, saw ${iterations}`);
}

function childOf(asn1: Asn1 | undefined, index: number): Asn1 | undefined {
  return Array.isArray(asn1?.value) ? asn1.value[index] : undefined;
}

function openBags(file: string, asn1: Asn1, given: string | undefined): SafeBag[] {
  // RFC 7292 §B.1: no passphrase, and an empty one, are two; programs mean either by none.
  const passphrases = given === undefined || given === '' ? ['', undefined] : [given];
  let failure: unknown;
  for (const passphrase of passphrases) {
    try {
      return bagsOf(asn1, passphrase);
    } catch (error) {
      failure = error;
    }
  }
  if (failure instanceof EndlessDerivation) throw new ImportRefused(`${file}: ${failure.message}`);
  const isWrong = /MAC could not be verified|decrypt/i.test(String((failure as Error).message));
  if (!isWrong) throw new ImportRefused(`${file}: wanted PKCS#12 as RFC 7292 has it: ${unreadable(failure)}`);
  throw new ImportRefused(
    given === undefined
      ? `${file} is encrypted: give its passphrase with --passphrase-file FILE, or type it at a terminal`
      : `${file}: the passphrase does not open it`,
  );
}

/** What forge says names parts of the format, never what is in them; no more than a line of it is taken over. */
function unreadable(error: unknown): string {
  return String((error as Error).message).slice(0, 200);
}

function bagsOf(asn1: Asn1, passphrase: string | undefined): SafeBag[] {
  const read = (tree: Asn1, word: string | undefined) =>
    forge.pkcs12.pkcs12FromAsn1(tree, false, word).safeContents.flatMap(({ safeBags }) => safeBags);
  try {
    return read(asn1, passphrase);
  } catch (error) {
    const isMac = /MAC/.test(String((error as Error).message));
    if (isMac || passphrase === undefined || !Array.isArray(asn1.value)) throw error;
    // The MAC takes it as UTF-16, as RFC 7292 says, and is right; PBES2 takes it as UTF-8 (RFC 8018).
    return read({ ...asn1, value: asn1.value.slice(0, 2) }, forge.util.encodeUtf8(passphrase));
  }
}

const derOf = (asn1: Asn1) => Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1');

function certificateIn(file: string, { cert, asn1, type }: SafeBag): X509Certificate | undefined {
  const isCertificate = type === '1.2.840.113549.1.12.10.1.3';
  const tree = cert ? forge.pki.certificateToAsn1(cert) : asn1;
  if (!isCertificate || tree === undefined) return undefined;
  try {
    return new X509Certificate(derOf(tree));
  } catch {
    throw new ImportRefused(`${file}: a certificate in it cannot be parsed`);
  }
}

/** keyBag and pkcs8ShroudedKeyBag. */
const KEY_BAGS = ['1.2.840.113549.1.12.10.1.1', '1.2.840.113549.1.12.10.1.2'];

function keyIn(file: string, { key, asn1, type }: SafeBag): KeyObject | undefined {
  if (!KEY_BAGS.includes(type)) return undefined;
  try {
    if (key) {
      const der = derOf(forge.pki.privateKeyToAsn1(key));
      return createPrivateKey({ key: der, format: 'der', type: 'pkcs1' });
    }
    return asn1 && createPrivateKey({ key: derOf(asn1), format: 'der', type: 'pkcs8' });
  } catch {
    throw new ImportRefused(`${file}: a private key in it cannot be parsed`);
  }
}
