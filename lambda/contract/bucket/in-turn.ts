/** Work of one name, one after another within this process: for stores that have no lock of their own. */
import { BucketError } from '../errors.ts';
import type { Bucket } from './bucket.ts';

export function inTurn(): Bucket['exclusively'] {
  const last = new Map<string, Promise<void>>();
  return async (name, timeoutMs, work) => {
    const before = last.get(name) ?? Promise.resolve();
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => (leave = resolve));
    last.set(
      name,
      before.then(() => left),
    );
    try {
      await inTime(before, timeoutMs, name);
      return await work();
    } finally {
      leave();
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
