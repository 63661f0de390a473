/**
 * Writes PKCS#12 (RFC 7292) as OpenSSL 3 does: certificates and key encrypted by PBES2 (PBKDF2 with HMAC-SHA-256, AES-256-CBC), the whole
 * under an HMAC of SHA-256. node-forge writes RSA keys only, under SHA-1.
 */
import { createCipheriv, createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { encode, objectId, sequence, TAG } from '#common/der.ts';

/** PEM blocks. */
export interface Pkcs12Parts {
  /** Leaf first. */
  chain: readonly string[];
  /** PKCS#8, DER. */
  key: Buffer;
  /** What programs show. */
  friendlyName: string;
}

/** As Java has it; OpenSSL 3 takes 2048. */
const ITERATIONS = 10_000;
const [CONTEXT_0, CONTEXT_0_PRIMITIVE, BMP_STRING, NULL] = [0xa0, 0x80, 0x1e, Buffer.from([5, 0])];

const OID = {
  data: '2a864886f70d010701',
  encryptedData: '2a864886f70d010706',
  pbes2: '2a864886f70d01050d',
  pbkdf2: '2a864886f70d01050c',
  hmacWithSha256: '2a864886f70d0209',
  aes256Cbc: '60864801650304012a',
  sha256: '608648016503040201',
  shroudedKeyBag: '2a864886f70d010c0a0102',
  certBag: '2a864886f70d010c0a0103',
  x509Certificate: '2a864886f70d01091601',
  friendlyName: '2a864886f70d010914',
  localKeyId: '2a864886f70d010915',
} as const;

const oid = (name: keyof typeof OID) => objectId(OID[name]);
const octets = (body: Buffer) => encode(TAG.octetString, body);
/** Of two bytes, the first bit not set. */
const small = (value: number) =>
  encode(TAG.integer, value < 0x80 ? Buffer.from([value]) : Buffer.from([value >> 8, value & 0xff]));

export function makePkcs12(parts: Pkcs12Parts, passphrase: string): Buffer {
  const [leaf = Buffer.alloc(0), ...others] = parts.chain.map(derOf);
  const attributes = attributesOf(leaf, parts.friendlyName);
  const certificates = sequence(certBag(leaf, attributes), ...others.map((one) => certBag(one)));
  const { algorithm, encrypted } = encrypt(certificates, passphrase);
  const encryptedContent = sequence(oid('data'), algorithm, encode(CONTEXT_0_PRIMITIVE, encrypted));
  const shrouded = encrypt(parts.key, passphrase);
  const keyBag = sequence(
    oid('shroudedKeyBag'),
    encode(CONTEXT_0, sequence(shrouded.algorithm, octets(shrouded.encrypted))),
    attributes,
  );
  const safe = sequence(
    sequence(oid('encryptedData'), encode(CONTEXT_0, sequence(small(0), encryptedContent))),
    dataOf(sequence(keyBag)),
  );
  return sequence(small(3), dataOf(safe), macOf(safe, passphrase));
}

const dataOf = (body: Buffer) => sequence(oid('data'), encode(CONTEXT_0, octets(body)));

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');

function certBag(certificate: Buffer, ...attributes: Buffer[]): Buffer {
  const bag = sequence(oid('x509Certificate'), encode(CONTEXT_0, octets(certificate)));
  return sequence(oid('certBag'), encode(CONTEXT_0, bag), ...attributes);
}

/** They say which certificate the key belongs to. */
function attributesOf(leaf: Buffer, friendlyName: string): Buffer {
  const name = encode(BMP_STRING, utf16(friendlyName));
  const id = octets(createHash('sha256').update(leaf).digest());
  return encode(
    TAG.set,
    sequence(oid('friendlyName'), encode(TAG.set, name)),
    sequence(oid('localKeyId'), encode(TAG.set, id)),
  );
}

/** RFC 8018 §6.2 */
function encrypt(plain: Buffer, passphrase: string): { algorithm: Buffer; encrypted: Buffer } {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const key = pbkdf2Sync(Buffer.from(passphrase, 'utf8'), salt, ITERATIONS, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const derivation = sequence(octets(salt), small(ITERATIONS), sequence(oid('hmacWithSha256'), NULL));
  const parameters = sequence(sequence(oid('pbkdf2'), derivation), sequence(oid('aes256Cbc'), octets(iv)));
  return {
    algorithm: sequence(oid('pbes2'), parameters),
    encrypted: Buffer.concat([cipher.update(plain), cipher.final()]),
  };
}

function macOf(safe: Buffer, passphrase: string): Buffer {
  const salt = randomBytes(16);
  const mac = createHmac('sha256', macKey(passphrase, salt)).update(safe).digest();
  return sequence(sequence(sequence(oid('sha256'), NULL), octets(mac)), octets(salt), small(ITERATIONS));
}

/** RFC 7292 §B.2 for ID 3; one round is enough for the 32 bytes of SHA-256. */
function macKey(passphrase: string, salt: Buffer): Buffer {
  const password = Buffer.concat([utf16(passphrase), Buffer.alloc(2)]);
  const blocks = [Buffer.alloc(64, 3), filled(salt), filled(password)];
  let key = Buffer.concat(blocks);
  for (let round = 0; round < ITERATIONS; round += 1) key = createHash('sha256').update(key).digest();
  return key;
}

/** Repeated to whole blocks of SHA-256. */
function filled(body: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(body.length / 64) * 64, body);
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}
