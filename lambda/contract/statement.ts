/**
 * Signed statements: what the issuer says so that nobody else who may write to the bucket can say it. Each is one compact JWS
 * (RFC 7515 §7.1) with Ed25519 (RFC 8037 §3.1), so that any JOSE library verifies it. `typ` tells the kinds apart: none passes as another.
 * `kid` is the public key itself. A signature proves who spoke; whether that key is trusted is the caller's decision (key-chain.ts).
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import * as z from 'zod';

/** The 32 bytes of an Ed25519 public key in base64url: member `x` of its JWK (RFC 8037 §2). */
export const publicKey = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, 'must be an Ed25519 public key: 43 characters of base64url')
  .brand('PublicKey');
export type PublicKey = z.infer<typeof publicKey>;

/** `manifest`: the head of a root; `pem`: a receipt; `key`: one key hands over to the next. */
export type StatementKind = 'manifest' | 'pem' | 'key';

/** Characters of a statement: three parts in base64url with dots between them. */
export const MAX_STATEMENT = 4096;
export const statementText = z
  .string()
  .max(MAX_STATEMENT)
  .regex(
    /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/,
    'must be a compact JWS with an Ed25519 signature',
  );

export interface Signer {
  readonly key: PublicKey;
  /** @returns the compact JWS */
  sign(kind: StatementKind, claims: object): string;
}

export interface Statement<T> {
  claims: T;
  /** Who signed it. */
  key: PublicKey;
}

/** The text is no statement of this kind, or its signature does not match. The message never quotes it. */
export class StatementRefused extends Error {
  override name = 'StatementRefused';
}

/** @returns a new private key: PKCS#8, PEM */
export function generatePrivateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** @param privateKey PKCS#8, PEM. @throws StatementRefused if it is no Ed25519 key */
export function signerOf(privateKey: string): Signer {
  const secret = readPrivateKey(privateKey);
  const key = publicKey.parse(createPublicKey(secret).export({ format: 'jwk' }).x);
  return {
    key,
    sign: (kind, claims) => {
      const header = { alg: 'EdDSA', kid: key, typ: typOf(kind) };
      const signed = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`;
      return `${signed}.${sign(null, Buffer.from(signed), secret).toString('base64url')}`;
    },
  };
}

/** @throws StatementRefused */
export function readStatement<T>(kind: StatementKind, text: string, schema: z.ZodType<T>): Statement<T> {
  if (!statementText.safeParse(text).success) throw new StatementRefused('wanted a compact JWS');
  const [head = '', payload = '', signature = ''] = text.split('.');
  const header = headerSchema.safeParse(decode(head));
  if (!header.success || header.data.typ !== typOf(kind)) {
    throw new StatementRefused(`wanted a header with alg EdDSA, typ ${typOf(kind)} and a kid`);
  }
  const { kid } = header.data;
  const bytes = Buffer.from(signature, 'base64url');
  // A second spelling of the same signature would be a second statement.
  if (bytes.toString('base64url') !== signature) throw new StatementRefused('wanted plain base64url');
  if (!verify(null, Buffer.from(`${head}.${payload}`), keyObjectOf(kid), bytes)) {
    throw new StatementRefused('its signature does not match');
  }
  const claims = schema.safeParse(decode(payload));
  if (claims.success) return { claims: claims.data, key: kid };
  const [issue] = claims.error.issues;
  throw new StatementRefused(`${issue?.path.join('.')}: ${issue?.message}`);
}

/** No other member: nothing that a reader would have to understand (`crit`), no second key. */
const headerSchema = z.strictObject({ alg: z.literal('EdDSA'), kid: publicKey, typ: z.string() });

function typOf(kind: StatementKind): string {
  return `pemfleet-${kind}+jws`;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function keyObjectOf(key: PublicKey): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
}

function readPrivateKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw new StatementRefused('wanted an Ed25519 private key (PKCS#8, PEM)', { cause: error });
  }
  throw new StatementRefused('wanted an Ed25519 private key (PKCS#8, PEM)');
}
