/**
 * The combined PEM in its one canonical form: leaf, intermediates in order, private key (PKCS#8); LF; one LF
 * at the end; no blank line, no comment, no root. After a blank line HAProxy drops the rest in silence and answers
 * "Success!"; an expired or incomplete chain it takes without a warning. So the same `verify` runs before
 * publishing and again before installing.
 */
import { createPrivateKey, hash, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { PemRejected } from './errors.ts';
import { MAX_PEM_BYTES } from './limits.ts';

const MIN_RSA_BITS = 2048;

export interface CombinedPem {
  leaf: X509Certificate;
  /** Leaf first, then the intermediates. */
  chain: X509Certificate[];
  key: KeyObject;
}

/** What `verify` compares a PEM with; absent fields are not compared. */
export interface ExpectedPem {
  /** Names that the leaf must carry, among others. */
  identifiers: readonly string[];
  /** Of the whole text. */
  sha256?: string | undefined;
  /** Of the leaf, in upper-case hexadecimal. */
  serial?: string | undefined;
  /** As `keyTypeOf` gives it. */
  keyType?: string | undefined;
  /** A root has issued the leaf itself, as some internal CAs do: there is no intermediate. Absent: there must be one. */
  isIssuedByRoot?: boolean | undefined;
}

/** Writes the canonical form, without a self-signed root at the end of the CA's chain (RFC 8446 §4.4.2). */
export function assemble(chainPem: readonly string[], privateKey: string | KeyObject): string {
  const chain = chainPem.map(parseCertificate);
  const sent = chain.filter((certificate, index) => index === 0 || !isSelfSigned(certificate));
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  return [...sent.map((certificate) => certificate.toString()), key.export({ type: 'pkcs8', format: 'pem' })]
    .map((block) => `${String(block).trim()}\n`)
    .join('');
}

/** SHA-256, in lower-case hexadecimal. */
export function digest(text: string | Buffer): string {
  return hash('sha256', text);
}

/** Reads the canonical form and nothing else. @throws PemRejected */
export function parse(text: string): CombinedPem {
  checkForm(text);
  const blocks = text.match(/-----BEGIN [^-]+-----\n[^-]+-----END [^-]+-----\n/g) ?? [];
  if (blocks.join('') !== text) {
    throw new PemRejected('ERR_PEM_SYNTAX', 'holds text outside of whole PEM blocks');
  }
  const labels = blocks.map((block) => block.slice('-----BEGIN '.length, block.indexOf('-----\n')));
  const order = labels.join();
  if (!/^(CERTIFICATE,)+PRIVATE KEY$/.test(order)) throw wrongOrder(labels);
  const chain = blocks.slice(0, -1).map(parseCertificate);
  const [leaf] = chain;
  if (leaf === undefined) throw wrongOrder(labels);
  return { leaf, chain, key: parseKey(blocks.at(-1) ?? '') };
}

/** Checks every rule that HAProxy does not. @throws PemRejected whose code names the first broken rule */
export function verify(text: string, expected: ExpectedPem, now: Date): CombinedPem {
  if (expected.sha256 !== undefined && digest(text) !== expected.sha256) {
    throw new PemRejected('ERR_PEM_DIGEST', `wanted SHA-256 ${expected.sha256}, saw ${digest(text)}`);
  }
  const pem = parse(text);
  checkKey(pem, expected);
  checkChain(pem.chain, expected);
  checkNames(pem.leaf, expected);
  checkValidity(pem.chain, now);
  return pem;
}

/** Type of a public or private key: `ec256`, `ec384`, `rsa2048`, … */
export function keyTypeOf(key: KeyObject): string {
  const curves: Record<string, string> = { prime256v1: 'ec256', secp384r1: 'ec384', secp521r1: 'ec521' };
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec') return curves[details?.namedCurve ?? ''] ?? `ec:${details?.namedCurve}`;
  if (key.asymmetricKeyType === 'rsa') return `rsa${details?.modulusLength}`;
  return key.asymmetricKeyType ?? 'unknown';
}

/** DNS names and IP addresses of the leaf's subjectAltName, in identifier form. */
export function namesOf(certificate: X509Certificate): string[] {
  const entries = certificate.subjectAltName?.split(', ') ?? [];
  return entries.flatMap((entry) => {
    const value = entry.replace(/^(DNS|IP Address):/, '');
    return value === entry ? [] : [canonicalIdentifier(value)];
  });
}

/** All names by which HAProxy finds it: those of the subjectAltName and, besides them, the subject's common names. */
export function leafNamesOf(certificate: X509Certificate): string[] {
  const lines = (certificate.subject ?? '').split('\n').filter((line) => line.startsWith('CN='));
  const commonNames = lines.map((line) => canonicalIdentifier(line.slice('CN='.length)));
  return [...new Set([...namesOf(certificate), ...commonNames.filter(isHostName)])];
}

/** Whether a common name, in lower case, is a name that clients ask for: `Example Inc.` is none. */
export function isHostName(name: string): boolean {
  return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)+$/.test(name) && isIP(name) === 0;
}

/** Lower case; IPv6 in the short form of RFC 5952. */
export function canonicalIdentifier(value: string): string {
  return isIP(value) === 6 ? new URL(`http://[${value}]`).hostname.slice(1, -1) : value.toLowerCase();
}

function checkForm(text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PEM_BYTES) {
    throw new PemRejected('ERR_PEM_SIZE', `wanted at most ${MAX_PEM_BYTES} bytes, saw ${bytes}`);
  }
  if (!text.endsWith('\n')) {
    throw new PemRejected('ERR_PEM_SYNTAX', 'does not end with a line feed: truncated?');
  }
  const lines = text.slice(0, -1).split('\n');
  const bad = lines.findIndex(
    (line) => !/^(-----(BEGIN|END) [A-Z0-9 ]+-----|[A-Za-z0-9+/]{1,64}={0,2})$/.test(line),
  );
  if (bad === -1) return;
  const what = lines[bad] === '' ? 'is blank' : 'is neither base64 nor a PEM boundary';
  throw new PemRejected('ERR_PEM_SYNTAX', `line ${bad + 1} ${what}; HAProxy would read it wrongly`);
}

function wrongOrder(labels: string[]): PemRejected {
  const wanted = 'wanted leaf, intermediates, one unencrypted PKCS#8 key';
  const code = labels.includes('PRIVATE KEY') ? 'ERR_PEM_SYNTAX' : 'ERR_PEM_KEY';
  return new PemRejected(code, `${wanted}; saw ${labels.join(', ') || 'no PEM block'}`);
}

function parseCertificate(block: string, index: number): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    throw new PemRejected('ERR_PEM_SYNTAX', `certificate ${index + 1} cannot be parsed`);
  }
}

function parseKey(block: string): KeyObject {
  try {
    return createPrivateKey(block);
  } catch {
    // OpenSSL's error may describe the key's content: it must not become ours.
    throw new PemRejected('ERR_PEM_KEY', 'the private key cannot be parsed');
  }
}

function checkKey({ leaf, key }: CombinedPem, expected: ExpectedPem): void {
  if (!leaf.checkPrivateKey(key)) {
    throw new PemRejected('ERR_PEM_KEY_MISMATCH', 'the private key does not belong to the leaf certificate');
  }
  const keyType = keyTypeOf(leaf.publicKey);
  const bits = leaf.publicKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) {
    throw new PemRejected('ERR_PEM_KEY_WEAK', `wanted RSA of at least ${MIN_RSA_BITS} bits, saw ${bits}`);
  }
  if (expected.keyType !== undefined && keyType !== expected.keyType) {
    throw new PemRejected('ERR_PEM_KEY_TYPE', `wanted key type ${expected.keyType}, saw ${keyType}`);
  }
}

function checkChain(chain: X509Certificate[], { isIssuedByRoot = false }: ExpectedPem): void {
  if (chain.length < 2 && !isIssuedByRoot)
    throw new PemRejected('ERR_PEM_CHAIN', 'holds no intermediate certificate');
  if (chain[0]?.ca) throw new PemRejected('ERR_PEM_CHAIN', 'the first certificate is a CA, not a leaf');
  chain.forEach((certificate, index) => {
    if (isSelfSigned(certificate)) {
      throw new PemRejected('ERR_PEM_CHAIN', `certificate ${index + 1} is a root`);
    }
    const issuer = chain[index + 1];
    if (issuer === undefined || isIssuedBy(certificate, issuer)) return;
    throw new PemRejected('ERR_PEM_CHAIN', `certificate ${index + 2} did not issue certificate ${index + 1}`);
  });
}

function checkNames(leaf: X509Certificate, expected: ExpectedPem): void {
  const names = namesOf(leaf);
  const missing = expected.identifiers.filter(
    (identifier) => !names.includes(canonicalIdentifier(identifier)),
  );
  if (missing.length > 0) {
    throw new PemRejected(
      'ERR_PEM_NAMES',
      `wanted ${missing.join(', ')}, saw ${names.join(', ') || 'no name'}`,
    );
  }
  if (expected.serial !== undefined && leaf.serialNumber !== expected.serial) {
    throw new PemRejected('ERR_PEM_NAMES', `wanted serial ${expected.serial}, saw ${leaf.serialNumber}`);
  }
}

function checkValidity(chain: X509Certificate[], now: Date): void {
  chain.forEach((certificate, index) => {
    const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
    if (now >= from && now < to) return;
    const state = now < from ? 'is not yet valid: is the clock right?' : 'has expired';
    const window = `${from.toISOString()} to ${to.toISOString()}`;
    throw new PemRejected('ERR_PEM_VALIDITY', `certificate ${index + 1} (${window}) ${state}`);
  });
}

/** Its own key has signed it. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.issuer === certificate.subject && isIssuedBy(certificate, certificate);
}

/** By name and by signature. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
