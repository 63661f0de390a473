/**
 * What the responder has read a moment ago, it does not read again: a CA asks from several networks at once, and a stranger as often as he
 * likes. An answer stays for ten seconds, "there is none" and a failure for one: the CA is told to look only after the answer is there.
 */
import { SECOND_MS } from '#common/time.ts';
import type { HostBucket, StoredObject } from '#storage/bucket.ts';

const ANSWER_MS = 10 * SECOND_MS;
const NONE_MS = SECOND_MS;
/** A stranger's tokens push out older ones, and fill no memory. */
const MAX_ENTRIES = 1000;

interface Entry {
  answer: Promise<StoredObject | undefined>;
  /** In ms, by `now`. */
  until: number;
}

/** @param now in ms, of a clock that is never set back */
export function withAnswerMemory(
  bucket: Pick<HostBucket, 'get'>,
  now: () => number = () => performance.now(),
): Pick<HostBucket, 'get'> {
  const entries = new Map<string, Entry>();
  return {
    get: (key) => {
      const known = entries.get(key);
      if (known !== undefined && now() < known.until) return known.answer;
      const entry: Entry = { answer: bucket.get(key), until: Number.POSITIVE_INFINITY };
      entries.delete(key);
      entries.set(key, entry);
      const [oldest] = entries.keys();
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
      const endAfter = (ms: number) => {
        entry.until = now() + ms;
      };
      entry.answer.then(
        (object) => endAfter(object === undefined ? NONE_MS : ANSWER_MS),
        () => endAfter(NONE_MS),
      );
      return entry.answer;
    },
  };
}
