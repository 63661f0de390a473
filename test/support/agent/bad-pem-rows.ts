// PEMs that an issuer should never have published.
import { createPrivateKey } from 'node:crypto';
import { digest } from '#contract/combined-pem.ts';
import { entryFor, pemRefFor } from './publish.ts';
import type { Stage } from './stage.ts';

export const minute = 60_000;
const sha = 'e'.repeat(64);
/** Every key that a row has put anywhere, to look for in everything that was said. */
export const secrets: string[] = [];

export interface Row {
  says: string;
  code: string;
  /** Breaks something; returns flags for the run and how to mend it. */
  spoil(stage: Stage): Promise<{ args?: string[]; mend?: () => unknown } | undefined>;
  /** Where the error stands: of the host, or of a file. */
  of?: 'host' | 'file';
  exit?: number;
}

function encrypted(keyPem: string): string {
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  return createPrivateKey(keyPem).export(options).toString();
}

/** A PEM that the issuer should never have published, described as if it were right. */
export function badPem(
  make: (
    good: { leafPem: string; chainPem: string[]; keyPem: string; combined: string },
    stage: Stage,
  ) => string | Promise<string>,
  changes: object = {},
  names = ['shop.test'],
) {
  return async (stage: Stage) => {
    const good = await stage.pki.issue({ names: ['shop.test'] });
    const bad = await make(good, stage);
    secrets.push(good.keyPem, bad);
    const ref = {
      ...pemRefFor(good.combined),
      sha256: digest(bad),
      size: Buffer.byteLength(bad),
      ...changes,
    };
    await stage.publishBytes('shop', bad, { ...entryFor(good.combined, names), pems: [ref] });
    return undefined;
  };
}

export const pemRows: Row[] = [
  {
    says: 'the PEM is truncated',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ combined }) => combined.slice(0, -100)),
  },
  {
    says: 'the PEM has a blank line',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => `${leafPem}${keyPem}\n${chainPem.join('')}`),
  },
  {
    says: 'the PEM has CR LF',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ combined }) => combined.replaceAll('\n', '\r\n')),
  },
  {
    says: "the PEM has another certificate's key",
    code: 'ERR_PEM_KEY_MISMATCH',
    spoil: badPem(async ({ leafPem, chainPem }, { pki }) => {
      const { keyPem } = await pki.issue({ names: ['shop.test'] });
      return leafPem + chainPem.join('') + keyPem;
    }),
  },
  {
    says: 'the key is encrypted',
    code: 'ERR_PEM_KEY',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => leafPem + chainPem.join('') + encrypted(keyPem)),
  },
  {
    says: 'an intermediate stands before the leaf',
    code: 'ERR_PEM_KEY_MISMATCH',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => chainPem.join('') + leafPem + keyPem),
  },
  {
    says: 'the PEM has no intermediate',
    code: 'ERR_PEM_CHAIN',
    spoil: badPem(({ leafPem, keyPem }) => leafPem + keyPem, { chainLength: 1 }),
  },
  {
    says: 'the certificate has expired',
    code: 'ERR_PEM_VALIDITY',
    spoil: async (stage) =>
      void secrets.push(
        await stage.publish('shop', { names: ['shop.test'], notAfter: new Date(Date.now() - minute) }),
      ),
  },
  {
    says: 'the certificate is not valid yet',
    code: 'ERR_PEM_VALIDITY',
    spoil: async (stage) =>
      void secrets.push(
        await stage.publish('shop', { names: ['shop.test'], notBefore: new Date(Date.now() + 10 * minute) }),
      ),
  },
  {
    says: 'the names are others',
    code: 'ERR_PEM_NAMES',
    spoil: badPem(({ combined }) => combined, {}, ['shop.test', 'www.shop.test']),
  },
  {
    says: 'the serial is another',
    code: 'ERR_PEM_NAMES',
    spoil: badPem(({ combined }) => combined, { serial: '0BAD' }),
  },
  {
    says: 'the chain is shorter than announced',
    code: 'ERR_PEM_CHAIN',
    spoil: badPem(({ combined }) => combined, { chainLength: 3 }),
  },
  {
    says: 'the key type is another',
    code: 'ERR_PEM_KEY_TYPE',
    spoil: badPem(({ combined }) => combined, { keyType: 'ec384' }),
  },
  {
    says: 'the key is weak',
    code: 'ERR_PEM_KEY_WEAK',
    spoil: badPem(
      async (_, { pki }) => (await pki.issue({ names: ['shop.test'], keyType: 'rsa-1024' })).combined,
      { keyType: 'rsa1024' },
    ),
  },
  {
    says: 'the PEM is too large for anybody',
    code: 'ERR_PEM_SIZE',
    spoil: badPem(({ combined }) => combined, { size: 65_537 }),
  },
  {
    says: 'the object is larger than the manifest says',
    code: 'ERR_PEM_DIGEST',
    spoil: badPem(({ combined }) => combined, { size: 1_000 }),
  },
  {
    says: 'the bytes are not what the digest says',
    code: 'ERR_PEM_DIGEST',
    spoil: async (stage) => {
      await badPem(({ combined }) => combined, { sha256: sha })(stage);
      await stage.bucket.put(
        `published/edge/pem/shop/${sha}.pem`,
        (await stage.pki.issue({ names: ['shop.test'] })).combined,
      );
      return undefined;
    },
  },
  {
    says: 'the PEM is missing',
    code: 'ERR_PEM_MISSING',
    spoil: badPem(({ combined }) => combined, { sha256: 'd'.repeat(64) }),
  },
];
