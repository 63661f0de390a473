/** Certificates and private keys out of files as people have them: PEM in any order, with text, CRLF or a byte order mark; DER; PKCS#12. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { pemMaterial } from './pem-blocks.ts';
import { ImportRefused } from './refused.ts';

/** A chain with its key is some 10 kB; bundles of a CA's whole history are larger. */
export const MAX_IMPORT_BYTES = 1024 * 1024;

export interface ImportedCertificate {
  certificate: X509Certificate;
  /** The file's name. */
  file: string;
}

export interface ImportedKey {
  key: KeyObject;
  file: string;
}

/** In the order of the files. */
export interface Material {
  certificates: ImportedCertificate[];
  keys: ImportedKey[];
}

export interface GivenFile {
  file: string;
  body: Buffer;
}

/** @returns the passphrase; undefined: nobody has given one. Called for what is encrypted only */
export type AskPassphrase = (file: string) => Promise<string | undefined>;

/** @throws ImportRefused for a file that holds nothing that can be used */
export async function readMaterial(files: readonly GivenFile[], ask: AskPassphrase): Promise<Material> {
  const all: Material = { certificates: [], keys: [] };
  for (const given of files) {
    const { certificates, keys } = await materialOf(given, ask);
    all.certificates.push(...certificates.map((certificate) => ({ certificate, file: given.file })));
    all.keys.push(...keys.map((key) => ({ key, file: given.file })));
  }
  return {
    certificates: distinct(all.certificates, ({ certificate }) => certificate.fingerprint256),
    keys: distinct(all.keys, ({ key }) => key.export({ type: 'pkcs8', format: 'pem' }).toString()),
  };
}

function distinct<T>(all: readonly T[], idOf: (one: T) => string): T[] {
  const byId = new Map<string, T>();
  for (const one of all) if (!byId.has(idOf(one))) byId.set(idOf(one), one);
  return [...byId.values()];
}

interface Opened {
  certificates: X509Certificate[];
  keys: KeyObject[];
}

async function materialOf({ file, body }: GivenFile, ask: AskPassphrase): Promise<Opened> {
  if (body.length > MAX_IMPORT_BYTES)
    throw new ImportRefused(`${file}: wanted at most ${MAX_IMPORT_BYTES} bytes, saw ${body.length} or more`);
  if (body.length === 0) throw new ImportRefused(`${file} is empty: wanted PEM, DER or PKCS#12`);
  const text = textOf(body);
  if (text.includes('-----BEGIN ')) return pemMaterial(file, text, ask);
  const der = derMaterial(body);
  if (der !== undefined) return der;
  // RFC 7292 §4: SEQUENCE { INTEGER 3, … }
  if (body[0] !== 0x30 || !body.subarray(0, 10).includes(Buffer.from([2, 1, 3])))
    throw new ImportRefused(`${file}: wanted PEM, DER or PKCS#12, saw something else`);
  const { readPkcs12 } = await import('./pkcs12.ts');
  return readWithPassphrase((passphrase) => readPkcs12(file, body, passphrase), file, ask);
}

/** Without a passphrase first: only what is encrypted asks for one. */
async function readWithPassphrase(
  read: (passphrase: string | undefined) => Opened,
  file: string,
  ask: AskPassphrase,
): Promise<Opened> {
  try {
    return read(undefined);
  } catch (error) {
    const passphrase = await ask(file);
    if (passphrase === undefined) throw error;
    return read(passphrase);
  }
}

/** UTF-8 or, as Windows writes it, UTF-16 with its byte order mark. */
function textOf(body: Buffer): string {
  if (body[0] === 0xff && body[1] === 0xfe) return body.subarray(2).toString('utf16le');
  return body.toString('latin1');
}

/** @returns undefined if it is neither a certificate nor a private key */
function derMaterial(body: Buffer): Opened | undefined {
  const certificate = parsedOr(() => new X509Certificate(body));
  if (certificate !== undefined) return { certificates: [certificate], keys: [] };
  for (const type of ['pkcs8', 'sec1', 'pkcs1'] as const) {
    const key = parsedOr(() => createPrivateKey({ key: body, format: 'der', type }));
    if (key !== undefined) return { certificates: [], keys: [key] };
  }
  return undefined;
}

function parsedOr<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    // Not of this kind; OpenSSL's words may describe a key.
    return undefined;
  }
}
