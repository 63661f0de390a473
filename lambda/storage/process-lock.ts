/** A lock among the work of one process: what `exclusively` can be where the store has no locks. */
import { BucketError } from '#contract/errors.ts';
import type { Bucket } from './bucket.ts';

export function createProcessLock(): Bucket['exclusively'] {
  const last = new Map<string, Promise<void>>();
  return async (name, timeoutMs, work) => {
    const before = last.get(name) ?? Promise.resolve();
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    last.set(
      name,
      before.then(() => released),
    );
    try {
      await inTime(before, timeoutMs, name);
      return await work();
    } finally {
      release();
    }
  };
}

async function inTime(before: Promise<void>, timeoutMs: number, name: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seen = `is held by other work of this process for ${timeoutMs / 1000} s`;
    timer = setTimeout(() => reject(new BucketError('ERR_BUCKET_LOCK', name, seen)), timeoutMs);
  });
  await Promise.race([before, late]).finally(() => clearTimeout(timer));
}
