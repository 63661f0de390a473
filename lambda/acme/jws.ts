/** Signatures of RFC 8555 §6.2: JSON Web Signatures in the flattened form (RFC 7515 §7.2.2), by keys that show themselves as JSON Web Keys (RFC 7517). */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';

export interface JsonWebSignature {
  /** The header, base64url. */
  protected: string;
  /** base64url; empty for POST-as-GET (§6.3). */
  payload: string;
  /** Over both, base64url. */
  signature: string;
}

/** What the header says beside the algorithm. */
interface Header {
  url: string;
  nonce?: string;
  kid?: string;
  jwk?: JsonWebKey;
}

/** RFC 7518 §3.1, with the hash that each signs; of elliptic curves, by the curve. */
const RSA = { alg: 'RS256', hash: 'sha256' };
const CURVES: Readonly<Record<string, typeof RSA>> = {
  'P-256': { alg: 'ES256', hash: 'sha256' },
  'P-384': { alg: 'ES384', hash: 'sha384' },
  'P-521': { alg: 'ES512', hash: 'sha512' },
};

/** A private key, and what it shows of itself. */
export class SigningKey {
  /** Public half: the members that RFC 7638 §3.2 requires, in lexicographic order. */
  readonly jwk: JsonWebKey;
  readonly #key: KeyObject;
  readonly #algorithm: typeof RSA;

  /** @param pem PKCS#8. @throws TypeError for a key that no CA takes */
  constructor(pem: string) {
    this.#key = createPrivateKey(pem);
    const jwk = createPublicKey(this.#key).export({ format: 'jwk' });
    this.jwk = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)));
    const algorithm = jwk.kty === 'RSA' ? RSA : CURVES[jwk.crv ?? ''];
    if (algorithm === undefined) throw new TypeError(`no algorithm for a key of type ${jwk.kty} ${jwk.crv}`);
    this.#algorithm = algorithm;
  }

  /** RFC 7638, SHA-256, base64url. */
  get thumbprint(): string {
    return createHash('sha256').update(JSON.stringify(this.jwk)).digest('base64url');
  }

  /** @param payload `null`: POST-as-GET (§6.3). @param kid of the account; undefined: the header has the public key itself */
  sign(payload: object | null, { kid, ...header }: Omit<Header, 'jwk'>): JsonWebSignature {
    const { alg, hash } = this.#algorithm;
    const signer = kid === undefined ? { jwk: this.jwk } : { kid };
    return signed(alg, payload, { ...header, ...signer }, (input) =>
      sign(hash, input, { key: this.#key, dsaEncoding: 'ieee-p1363' }),
    );
  }
}

/** The signature of §7.3.4, by a key that the CA and its customer share. @param hmacKey base64url */
export function signByHmac(hmacKey: string, payload: object, header: Header): JsonWebSignature {
  const key = Buffer.from(hmacKey, 'base64url');
  return signed('HS256', payload, header, (input) => createHmac('sha256', key).update(input).digest());
}

function signed(
  alg: string,
  payload: object | null,
  header: Header,
  signatureOf: (input: Buffer) => Buffer,
): JsonWebSignature {
  const [head, body] = [encoded({ alg, ...header }), payload === null ? '' : encoded(payload)];
  const signature = signatureOf(Buffer.from(`${head}.${body}`)).toString('base64url');
  return { protected: head, payload: body, signature };
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
