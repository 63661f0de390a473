/** Kinds of TLS clients: which kind of certificate they ask for, and what they take. */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';

/** What a client's signature algorithms ask for. */
export type ClientKind = 'any' | 'rsa' | 'ecdsa';

/** What it takes: what today's clients take, or all that OpenSSL knows, down to TLS 1.0 and SHA-1. */
export type Taste = 'usual' | 'any';

const SIGALGS = {
  rsa: 'RSA-PSS+SHA256:RSA+SHA256:RSA+SHA384',
  ecdsa: 'ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512',
};
const ALL_SIGALGS = {
  rsa: `${SIGALGS.rsa}:RSA+SHA512:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA1`,
  ecdsa: `${SIGALGS.ecdsa}:ECDSA+SHA1`,
};
const CCM = 'TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256';
const TLS13 = `TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:${CCM}`;
/** Before TLS 1.2 the ciphers alone tell which kind of certificate is meant. */
const allCiphers = (without: string) => `${TLS13}:ALL:!aNULL${without}:@SECLEVEL=0`;
const OLDEST: SecureContextOptions = { ca: [], minVersion: 'TLSv1' };

/** `ca: []`: nothing is trusted, so that Node reads no roots. To make a context takes longer than a handshake. */
export const CONTEXTS: Record<Taste, Record<ClientKind, () => SecureContext>> = {
  usual: {
    any: lazily(() => createSecureContext({ ca: [] })),
    rsa: lazily(() => createSecureContext({ ca: [], sigalgs: SIGALGS.rsa })),
    ecdsa: lazily(() => createSecureContext({ ca: [], sigalgs: SIGALGS.ecdsa })),
  },
  any: {
    any: lazily(() => createSecureContext({ ...OLDEST, ciphers: allCiphers('') })),
    rsa: lazily(() =>
      createSecureContext({ ...OLDEST, sigalgs: ALL_SIGALGS.rsa, ciphers: allCiphers(':!aECDSA') }),
    ),
    ecdsa: lazily(() =>
      createSecureContext({ ...OLDEST, sigalgs: ALL_SIGALGS.ecdsa, ciphers: allCiphers(':!aRSA:!kRSA') }),
    ),
  },
};

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
