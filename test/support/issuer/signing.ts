/** A signing key without a bucket, for passes that are about something else. */
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import type { Signing } from '../../../lambda/signing/signing-key.ts';

export function madeUpSigning(): Signing {
  const signer = signerOf(generatePrivateKey());
  return {
    lineage: 'made-up',
    signer,
    statements: [],
    lowestSequence: 0,
    isOurs: (key) => key === signer.key,
  };
}
