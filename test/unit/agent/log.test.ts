import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineLog } from '../../../agent/log.ts';

function capture(forJournal: boolean) {
  const lines: string[] = [];
  return { lines, log: lineLog((line) => lines.push(line), forJournal) };
}

test('an event is one line of key=value, quoted where a reader would stumble', () => {
  const { lines, log } = capture(false);

  log('certificate.failed', { certificate: 'shop', reason: 'two\nlines "quoted"', code: undefined, ms: 3 });

  assert.deepEqual(lines, [
    'event=certificate.failed certificate=shop reason="two\\nlines \\"quoted\\"" ms=3\n',
  ]);
});

test("journald gets the event's priority", () => {
  const { lines, log } = capture(true);

  log('certificate.loaded');
  log('certificate.pending');
  log('certificate.failed');

  assert.deepEqual(
    lines.map((line) => line.slice(0, 3)),
    ['<6>', '<4>', '<3>'],
  );
});
