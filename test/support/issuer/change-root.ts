/** Changes a published root as its issuer could: signed with the issuer's own key. */
import { pathToFileURL } from 'node:url';
import { layout } from '#contract/layout.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import { openBucket } from '#storage/open.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { parseRoot } from '../parse-root.ts';
import { fleet } from './documents.ts';

export async function changeRoot(
  bucketDir: string,
  change: (manifest: SignedManifest) => void,
): Promise<void> {
  const bucket = await openBucket(pathToFileURL(bucketDir).href);
  const { signer } = await openSigningKey(bucket, { fleets: [] });
  const object = await bucket.get(layout.root(fleet));
  if (object === undefined) throw new Error('nothing is published');
  const { manifest } = parseRoot(fleet, object.body);
  change(manifest);
  await bucket.put(layout.root(fleet), serializeRoot(manifest, signer).text);
}
