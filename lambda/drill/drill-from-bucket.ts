/** What a drill starts from: the CAs' state and the renewal windows as the last pass has left them. */
import type { Bucket } from '#storage/bucket.ts';
import { readCaState } from '../ca/state.ts';
import type { AcmeSettings } from '../config/acme.ts';
import type { Config } from '../config/config.ts';
import { readStoredWindows } from '../pass/renewal-windows.ts';
import type { PublishedCertificate } from '../replacement/published.ts';
import { type DrillResult, drillAt } from './drill.ts';

export interface DrillRequest {
  bucket: Bucket;
  config: Config;
  /** CAs to play, each as if it were the only one. */
  at: readonly AcmeSettings[];
  /** That are to be replaced. */
  certificates: readonly PublishedCertificate[];
  from: Date;
  orderMs?: number | undefined;
}

/** @throws BucketError */
export async function drillFromBucket(request: DrillRequest): Promise<DrillResult[]> {
  const { at, bucket } = request;
  const [caState, windows] = [await readCaState(bucket), await readStoredWindows(bucket)];
  return at.map((settings) => drillAt(settings, { ...request, caState, windows }));
}
