// The store of a stage: a directory whose clock is the stage's, and which says its time as S3 does, so that hours pass without waiting.
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';

export class StageClock {
  #aheadMs = 0;

  readonly now = (): Date => new Date(Date.now() + this.#aheadMs);

  advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** @param url `file:///…` */
export async function openStore(url: string, clock: StageClock): Promise<Bucket> {
  const bucket = await openBucket(url);
  /** By key: when it was written, by the stage's clock. */
  const written = new Map<string, Date>();
  const datedAt = <T extends { key: string; modifiedAt: Date }>(object: T): T => {
    return { ...object, modifiedAt: written.get(object.key) ?? object.modifiedAt };
  };
  let answeredAt: Date | undefined;
  const answered = <T>(answer: T): T => {
    answeredAt = clock.now();
    return answer;
  };
  return {
    url: bucket.url,
    get answeredAt() {
      return answeredAt;
    },
    get: (async (...args: Parameters<Bucket['get']>) => answered(await bucket.get(...args))) as Bucket['get'],
    put: async (key, body, condition) => {
      const result = await bucket.put(key, body, condition);
      if (result !== 'precondition-failed') written.set(key, clock.now());
      return answered(result);
    },
    delete: (key) => bucket.delete(key),
    erase: (key, what) => bucket.erase(key, what),
    list: (prefix) => bucket.list(prefix),
    entries: async (prefix) => answered((await bucket.entries(prefix)).map(datedAt)),
    folders: (prefix) => bucket.folders(prefix),
    listAfter: async (...args) => answered((await bucket.listAfter(...args)).map(datedAt)),
    exclusively: (name, timeoutMs, work) => bucket.exclusively(name, timeoutMs, work),
  };
}
