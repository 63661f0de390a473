/**
 * A story: tests on one stage, each of which stands on those before it. It ends by a deadline: once its time is over, or a chapter has
 * failed, the chapters after it fail at once. On a broken tree each of them would wait for what never comes.
 */
import { after, test } from 'node:test';

interface StoryOptions {
  /** Of all chapters together, from the start of the stage, which is part of the first. */
  deadlineMs: number;
  start: () => Promise<void>;
  /** Ends the stage; then nothing of a chapter that was late goes on. */
  stop: () => Promise<void> | undefined;
}

type Act = () => Promise<void> | void;

export type Chapter = (title: string, act: Act) => void;

/** A stage that does not end is given up. */
const STOP_MS = 60_000;

/** @returns registers a chapter, as `test` does */
export function startStory({ deadlineMs, start, stop }: StoryOptions): Chapter {
  let ends: number | undefined;
  let failed: string | undefined;
  after(() => withDeadline(Promise.resolve(stop()), STOP_MS, 'the end of its stage'));

  const begin = async () => {
    ends = Date.now() + deadlineMs;
    await withDeadline(start(), deadlineMs, 'the start of its stage');
  };
  const inTime = async (title: string, act: Act) => {
    if (failed !== undefined) throw new Error(`not begun: ${failed} has failed`);
    failed = title;
    if (ends === undefined) await begin();
    await withDeadline(Promise.resolve().then(act), (ends ?? 0) - Date.now(), title);
    failed = undefined;
  };
  return (title, act) => {
    test(title, () => inTime(title, act));
  };
}

/** @throws Error it has not ended within `ms` */
async function withDeadline(work: Promise<void>, ms: number, title: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const fail = () => reject(new Error(`the time of the story is over in ${title}`));
    timer = setTimeout(fail, Math.max(ms, 0));
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
