// A bucket whose one certificate is published by staging and served by one host: `pemfleet status` is green.
import { pathToFileURL } from 'node:url';
import { MINUTE_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { after } from '../clock.ts';
import { fleet, makeEntry, makeHostStatus, makePemRef, named } from '../issuer/documents.ts';

const sha256 = 'a'.repeat(64);

/** @param path of the directory. @param from directory of the CA that has issued it; default: one that nobody knows */
export async function makeGreenBucket(path: string, from?: string): Promise<Bucket> {
  const bucket = await openBucket(pathToFileURL(path).href, 'write');
  const now = new Date();
  const publishedAt = after(now, -10 * MINUTE_MS).toISOString();
  const signing = await openSigningKey(bucket, { fleets: [fleet], dryRun: false });
  const publisher = new Publisher(
    bucket,
    fleet,
    publisherOptions(bucket, signing, () => now),
  );
  const notAfter = after(now, 80 * 24 * 60 * MINUTE_MS).toISOString();
  const pems = [makePemRef({ sha256, notBefore: publishedAt, notAfter })];
  const entry = makeEntry({ pems, publishedAt });
  const issued = { ...entry.issued, ...(from && { directoryUrl: from }) };
  await publisher.publish(named('a.test'), { ...entry, issued } as ManifestEntry, []);
  await reportHost(bucket, 'served');
  return bucket;
}

/** lb1 says what it has of the certificate. */
export async function reportHost(bucket: Bucket, state: 'served' | 'failed'): Promise<void> {
  const now = new Date();
  const since = after(now, -9 * MINUTE_MS).toISOString();
  const file = {
    ...{ file: 'a.test.pem', certificate: named('a.test'), since, wanted: { sha256, serial: '0B' } },
    ...(state === 'served' ? { state } : { state, error: { code: 'ERR_X', message: 'broken' } }),
  } as never;
  const status = makeHostStatus('lb1', { files: [file], reportedAt: now.toISOString() });
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
}
