// On a broken tree, what never comes is not waited for: stories and programs end by a deadline.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { finish } from '../../e2e/finish.ts';
import { tempDir } from '../../support/temp-dir.ts';

const story = new URL('../../support/story.ts', import.meta.url).href;

/** Each test of a file, with the first line of its error. */
function runFile(dir: string, text: string): [result: string, error: string][] {
  const file = join(dir, 'story.test.mjs');
  writeFileSync(file, text);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--import', import.meta.resolve('tsx'), '--test-reporter=tap', file];
  const { stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  const blocks = stdout.split(/^# Subtest: /m).slice(1);
  return blocks.map((block) => [
    /^(?:not )?ok \d+ - .*/m.exec(block)?.[0].replace(/ \d+ -/, '') ?? '',
    /^ {2}error: '(.*)'$/m.exec(block)?.[1] ?? '',
  ]);
}

test('a story: the chapter in which its time is over fails, those after it do not begin, and its stage ends', (t) => {
  const results = runFile(
    tempDir(t),
    `import { startStory } from '${story}';
    let awake;
    const chapter = startStory({
      deadlineMs: 500,
      start: async () => { awake = setInterval(() => undefined, 60_000); },
      stop: async () => clearInterval(awake),
    });
    chapter('first', () => undefined);
    chapter('second', () => new Promise(() => undefined));
    chapter('third', () => undefined);`,
  );

  assert.deepEqual(results, [
    ['ok first', ''],
    ['not ok second', 'the time of the story is over in second'],
    ['not ok third', 'not begun: second has failed'],
  ]);
});

test('a story whose stage does not start: no chapter begins', (t) => {
  const results = runFile(
    tempDir(t),
    `import { startStory } from '${story}';
    const start = async () => { throw new Error('no stage'); };
    const chapter = startStory({ deadlineMs: 60_000, start, stop: () => undefined });
    chapter('first', () => undefined);
    chapter('second', () => undefined);`,
  );

  assert.deepEqual(results, [
    ['not ok first', 'no stage'],
    ['not ok second', 'not begun: first has failed'],
  ]);
});

test('a program that does not end is ended, and what it has said is told', async (t) => {
  const file = join(tempDir(t), 'hangs.mjs');
  writeFileSync(file, "process.stderr.write('waiting for the CA'); setInterval(() => undefined, 60_000);");

  await assert.rejects(finish(file, ['run'], { deadlineMs: 1000 }), {
    message: 'hangs.mjs run has not ended within 1000 ms; it said:\nwaiting for the CA',
  });
});
