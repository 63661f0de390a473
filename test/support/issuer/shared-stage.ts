/** One stage for all tests of a file: a CA takes longer to start than most of them. */
import { after, before } from 'node:test';
import type { StageOwner } from './stage.ts';

/** @returns gives the stage, once tests run */
export function sharedStage<T>(start: (owner: StageOwner) => Promise<T>): () => T {
  const ends: (() => unknown)[] = [];
  let stage: T | undefined;
  before(async () => {
    stage = await start({ after: (end) => void ends.push(end as () => unknown) });
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return () => {
    if (stage === undefined) throw new Error('the stage is there once a test runs');
    return stage;
  };
}
