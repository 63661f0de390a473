/** What a drill starts from: the CAs' state and the renewal windows as the last pass has left them. */
import type { Bucket } from '#storage/bucket.ts';
import { readCaState } from '../ca/state.ts';
import type { Config } from '../config/config.ts';
import { readStoredWindows } from '../pass/renewal-windows.ts';
import type { PublishedCertificate } from '../replacement/published.ts';
import { type DrillResult, drillAt } from './drill.ts';

export interface DrillRequest {
  bucket: Bucket;
  config: Config;
  /** That are to be replaced. */
  certificates: readonly PublishedCertificate[];
  from: Date;
  orderMs?: number | undefined;
}

/** At each configured CA, the preferred one first. @throws BucketError */
export async function drillFromBucket(request: DrillRequest): Promise<DrillResult[]> {
  const { bucket, config } = request;
  const [caState, windows] = [await readCaState(bucket), await readStoredWindows(bucket)];
  return [config.acme, ...config.fallback].map((settings) =>
    drillAt(settings, { ...request, caState, windows }),
  );
}
