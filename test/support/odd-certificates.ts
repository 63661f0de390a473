/** Certificates that test/support/parts/pki.ts does not make: CAs with their keys, odd names, odd dates. */
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { DAY_MS } from '#common/time.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

export interface CertificateOptions {
  subject: string;
  /** Absent: self-signed. */
  issuer?: Certified;
  isCa?: boolean;
  /** dNSName entries, however odd. */
  dnsNames?: readonly string[];
  /** In hexadecimal. Absent: a random one. */
  serialNumber?: string;
  notBefore?: Date;
  notAfter?: Date;
  /** Object identifiers of extKeyUsage (RFC 5280 §4.2.1.12); absent: any purpose. */
  purposes?: readonly string[];
  /** Absent: new ones. */
  keys?: webcrypto.CryptoKeyPair;
}

export interface Certified {
  subject: string;
  pem: string;
  keyPem: string;
  keys: webcrypto.CryptoKeyPair;
}

export async function certify(options: CertificateOptions): Promise<Certified> {
  const keys = options.keys ?? (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']));
  const signer = options.issuer?.keys ?? keys;
  const names = (options.dnsNames ?? []).map((value) => ({ type: 'dns', value }) as const);
  const certificate = await x509.X509CertificateGenerator.create({
    ...(options.serialNumber !== undefined && { serialNumber: options.serialNumber }),
    subject: options.subject,
    issuer: options.issuer?.subject ?? options.subject,
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + 30 * DAY_MS),
    extensions: [
      new x509.BasicConstraintsExtension(options.isCa ?? false, undefined, true),
      ...(options.purposes ? [new x509.ExtendedKeyUsageExtension([...options.purposes])] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = unixLines(x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'));
  return { subject: options.subject, pem: unixLines(certificate.toString('pem')), keyPem, keys };
}

/** Root, intermediate and leaf, each changed as the test wants. */
export async function certifyChain(
  options: { intermediate?: Partial<CertificateOptions>; leaf?: Partial<CertificateOptions> } = {},
) {
  const root = await certify({ subject: 'CN=odd root', isCa: true });
  const intermediate = await certify({
    subject: 'CN=odd intermediate',
    issuer: root,
    isCa: true,
    ...options.intermediate,
  });
  const leaf = await certify({
    subject: 'CN=odd leaf',
    issuer: intermediate,
    dnsNames: ['a.test'],
    ...options.leaf,
  });
  return { root, intermediate, leaf, combined: leaf.pem + intermediate.pem + leaf.keyPem };
}

/** The base64 lines of every block, for "no message holds any of them". */
export function base64Lines(pem: string): string[] {
  return pem.split('\n').filter((line) => line.length > 16 && !line.startsWith('-----'));
}

const unixLines = (text: string) => `${text.replace(/\r/g, '').trim()}\n`;
