/** PEM as people have it (RFC 7468, and OpenSSL's older forms): what is between the blocks is text. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ImportRefused } from './refused.ts';

interface Block {
  label: string;
  /** With its boundaries and its headers, LF. */
  text: string;
  /** Of its first line. */
  line: number;
}

const CERTIFICATES = ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'];
/** Parameters that stand beside keys in some files. */
const IGNORED = [
  'EC PARAMETERS',
  'DH PARAMETERS',
  'X509 CRL',
  'CERTIFICATE REQUEST',
  'NEW CERTIFICATE REQUEST',
];
const HINTS: Readonly<Record<string, string>> = {
  PKCS7: 'openssl pkcs7 -print_certs -in FILE writes its certificates as PEM',
  CMS: 'openssl pkcs7 -print_certs -in FILE writes its certificates as PEM',
  'OPENSSH PRIVATE KEY': 'this is a key for SSH',
  'PUBLIC KEY': 'this is a public key: the private one is wanted',
};

/** @throws ImportRefused */
export async function pemMaterial(
  file: string,
  text: string,
  ask: (file: string) => Promise<string | undefined>,
): Promise<{ certificates: X509Certificate[]; keys: KeyObject[] }> {
  const blocks = blocksOf(file, text);
  const unknown = blocks.find(
    ({ label }) => !CERTIFICATES.includes(label) && !IGNORED.includes(label) && !isKey(label),
  );
  if (unknown !== undefined) {
    const { label, line } = unknown;
    const hint = HINTS[label] ?? 'wanted certificates and their private key';
    throw new ImportRefused(`${file}, line ${line}: saw ${label.slice(0, 40)}: ${hint}`);
  }
  const certificates = blocks
    .filter(({ label }) => CERTIFICATES.includes(label))
    .map((block) => parseCertificateBlock(file, block));
  const keys: KeyObject[] = [];
  for (const block of blocks.filter(({ label }) => isKey(label))) keys.push(await openKey(file, block, ask));
  if (certificates.length + keys.length > 0) return { certificates, keys };
  throw new ImportRefused(
    `${file}: saw ${blocks[0]?.label ?? 'no block'}, and neither a certificate nor a private key`,
  );
}

const isKey = (label: string) => label !== 'OPENSSH PRIVATE KEY' && label.endsWith('PRIVATE KEY');

function blocksOf(file: string, text: string): Block[] {
  const lines = text.split(/\r\n|\n|\r/).map((line) => line.trim());
  const blocks: Block[] = [];
  let begin: { label: string; index: number } | undefined;
  for (const [index, line] of lines.entries()) {
    // A byte order mark, as one byte per character, stands before the first one.
    const label = /^(?:\u00ef\u00bb\u00bf|\ufeff)?-----BEGIN ([A-Z0-9 ]+)-----$/.exec(line)?.[1];
    if (label !== undefined) {
      if (begin !== undefined) throw cutOff(file, begin);
      begin = { label, index };
    } else if (begin !== undefined && line === `-----END ${begin.label}-----`) {
      const given = lines.slice(begin.index + 1, index);
      // A blank line belongs behind headers only (RFC 1421), and else comes from an editor.
      const body = given.some((one) => one.includes(':')) ? given : given.filter((one) => one !== '');
      const all = [`-----BEGIN ${begin.label}-----`, ...body, line, ''];
      blocks.push({ label: begin.label, text: all.join('\n'), line: begin.index + 1 });
      begin = undefined;
    }
  }
  if (begin !== undefined) throw cutOff(file, begin);
  return blocks;
}

function cutOff(file: string, { label, index }: { label: string; index: number }): ImportRefused {
  const says = `the ${label} that begins there has no end: is the file cut off?`;
  return new ImportRefused(`${file}, line ${index + 1}: ${says}`);
}

function parseCertificateBlock(file: string, { text, line }: Block): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new ImportRefused(`${file}, line ${line}: the certificate that begins there cannot be parsed`);
  }
}

async function openKey(
  file: string,
  { label, text, line }: Block,
  ask: (file: string) => Promise<string | undefined>,
): Promise<KeyObject> {
  const isEncrypted = label.startsWith('ENCRYPTED') || /^Proc-Type: 4,ENCRYPTED$/m.test(text);
  const passphrase = isEncrypted ? await ask(file) : undefined;
  if (isEncrypted && passphrase === undefined) {
    throw new ImportRefused(
      `${file}, line ${line}: the private key is encrypted: give its passphrase with --passphrase-file FILE, or type it at a terminal`,
    );
  }
  if (label.startsWith('ENCRYPTED')) {
    const { refuseEndlessKey } = await import('./pkcs12.ts');
    const body = text.split('\n').filter((one) => !/^-----|:/.test(one));
    refuseEndlessKey(`${file}, line ${line}`, Buffer.from(body.join(''), 'base64'));
  }
  try {
    return createPrivateKey({ key: text, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  } catch {
    // OpenSSL's error may describe the key's content: it must not become ours.
    const says = isEncrypted
      ? 'the passphrase does not open the private key'
      : 'the private key cannot be parsed';
    throw new ImportRefused(`${file}, line ${line}: ${says}`);
  }
}
