// A tiny CA in process: root, intermediate, leaves of any kind that a test wants, broken ones too.
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

export type TestKeyType = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-1024';

export interface LeafOptions {
  names: readonly string[];
  keyType?: TestKeyType;
  notBefore?: Date;
  notAfter?: Date;
  /** hexadecimal */
  serial?: string;
  ocspUrl?: string;
}

export interface IssuedLeaf {
  leafPem: string;
  /** the intermediates, in order */
  chainPem: string[];
  /** PKCS#8 */
  keyPem: string;
  /** leaf, intermediate, key: canonical, as HAProxy loads it */
  combined: string;
}

export interface Pki {
  rootPem: string;
  /** Of the root: nothing is revoked. */
  crlPem: string;
  intermediatePem: string;
  /** PKCS#8, for an OCSP responder */
  intermediateKeyPem: string;
  issue(options: LeafOptions): Promise<IssuedLeaf>;
}

interface Authority {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

const dayMs = 86_400_000;
const usages = ['sign', 'verify'] as const;
const rsa = (modulusLength: number) => ({
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength,
});
const algorithms = {
  'ec-p256': { name: 'ECDSA', namedCurve: 'P-256' },
  'ec-p384': { name: 'ECDSA', namedCurve: 'P-384' },
  'rsa-2048': rsa(2048),
  'rsa-1024': rsa(1024),
} as const;

/** @param name of the CA */
export async function createPki(name = 'pemfleet test'): Promise<Pki> {
  const root = await createAuthority(`${name} root`);
  const intermediate = await createAuthority(`${name} intermediate`, root);
  const intermediatePem = pem(intermediate.certificate);
  const issue = async (options: LeafOptions): Promise<IssuedLeaf> => {
    const keys = await generateKeys(options.keyType ?? 'ec-p256');
    const leafPem = pem(await signLeaf(options, keys, intermediate));
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    const keyPem = lines(x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'));
    return { leafPem, chainPem: [intermediatePem], keyPem, combined: leafPem + intermediatePem + keyPem };
  };
  const intermediatePkcs8 = await webcrypto.subtle.exportKey('pkcs8', intermediate.keys.privateKey);
  const intermediateKeyPem = lines(x509.PemConverter.encode(intermediatePkcs8, 'PRIVATE KEY'));
  const crlPem = lines((await createCrl(root)).toString('pem')).replaceAll(' CRL-', ' X509 CRL-');
  return { rootPem: pem(root.certificate), crlPem, intermediatePem, intermediateKeyPem, issue };
}

async function createAuthority(commonName: string, parent?: Authority): Promise<Authority> {
  const keys = await generateKeys('ec-p256');
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${commonName}`,
    issuer: parent?.certificate.subject ?? `CN=${commonName}`,
    publicKey: keys.publicKey,
    signingKey: (parent?.keys ?? keys).privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    // Before the made-up clocks of all tests.
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date(Date.now() + 3650 * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create((parent?.keys ?? keys).publicKey),
    ],
  });
  return { certificate, keys };
}

const createCrl = ({ certificate, keys }: Authority) =>
  x509.X509CrlGenerator.create({
    issuer: certificate.subject,
    thisUpdate: new Date(Date.now() - dayMs),
    nextUpdate: new Date(Date.now() + 3650 * dayMs),
    signingKey: keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });

async function signLeaf(options: LeafOptions, keys: webcrypto.CryptoKeyPair, issuer: Authority) {
  const names = options.names.map((name) => ({ type: isIP(name) ? 'ip' : 'dns', value: name }) as const);
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(names),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    // its keyIdentifier is the first half of an ARI certID
    await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
  ];
  if (options.ocspUrl) extensions.push(new x509.AuthorityInfoAccessExtension({ ocsp: [options.ocspUrl] }));
  return x509.X509CertificateGenerator.create({
    ...(options.serial ? { serialNumber: options.serial } : {}),
    // no common name: so do Let's Encrypt's newer profiles and Pebble
    subject: [],
    issuer: issuer.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: options.notBefore ?? new Date(Date.now() - dayMs),
    notAfter: options.notAfter ?? new Date(Date.now() + 89 * dayMs),
    extensions,
  });
}

const generateKeys = (type: TestKeyType): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithms[type], true, usages);

const pem = (certificate: x509.X509Certificate) => lines(certificate.toString('pem'));

const lines = (text: string) => `${text.replace(/\r/g, '').trim()}\n`;
