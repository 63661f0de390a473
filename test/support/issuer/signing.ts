/** A signing key without a bucket, for passes that are about something else. */
import { type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { Publisher, type PublisherOptions } from '../../../lambda/publication/publisher.ts';
import type { Signing } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { noon } from '../clock.ts';
import { parseRoot } from '../parse-root.ts';

/** The key of all made-up publishers and passes. */
export const testSigning = madeUpSigning();

export function testPublisher(bucket: Bucket, fleet: FleetName, changes: Partial<PublisherOptions> = {}) {
  return new Publisher(bucket, fleet, { ...publisherOptions(bucket, testSigning, () => noon), ...changes });
}

/** Something of the right size lies under the keys of the PEMs: no pass misses them. */
export const madeUpTexts = ({ pems }: ManifestEntry) =>
  pems.map(({ sha256, size }) => ({ sha256, text: 'a PEM'.padEnd(size) }));

/** What a fleet serves, whoever has signed it. */
export async function readPublished(bucket: Pick<Bucket, 'get'>, fleet: FleetName) {
  const object = await bucket.get(layout.root(fleet));
  return object && { ...parseRoot(fleet, object.body), etag: object.etag };
}

export function madeUpSigning(): Signing {
  const signer = signerOf(generatePrivateKey());
  return {
    lineage: 'made-up',
    signer,
    statements: [],
    lowestSequence: 0,
    isOurs: (key) => key === signer.key,
    isInherited: () => true,
  };
}
