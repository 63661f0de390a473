/** A bucket on this machine belongs to somebody: root works there with that user's rights. */
import { fileURLToPath } from 'node:url';

/** @returns undefined: it is no directory */
export const directoryOfBucket = (bucket: string): string | undefined =>
  bucket.startsWith('file://') ? fileURLToPath(bucket).replace(/(.)\/+$/, '$1') : undefined;
