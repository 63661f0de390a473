import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doneOutcome } from '../../../../agent/deploy/action.ts';
import { firstLines } from '../../../../agent/haproxy/program.ts';
import { decideReload, reloadDigest } from '../../../../agent/pass/reload.ts';
import { desired, now } from '../../../support/agent/plan-fixtures.ts';

const settings = { command: ['x'], check: ['y'], windowMs: 300_000, timeoutMs: 1000 };
const [wish, other] = ['a'.repeat(64), 'b'.repeat(64)];
const at = (secondsAgo: number) => new Date(now.getTime() - secondsAgo * 1000).toISOString();
const failure = { code: 'ERR_RELOAD_CHECK', message: 'm' };

const rows: [says: string, input: Parameters<typeof decideReload>, kind: string][] = [
  ['switched off', [undefined, undefined, wish, now], 'not-needed'],
  ['nothing waits', [settings, undefined, undefined, now], 'not-needed'],
  ['the first', [settings, undefined, wish, now], 'reload'],
  ['other files, in the window', [settings, { at: at(299), wish: other }, wish, now], 'wait'],
  ['other files, after the window', [settings, { at: at(300), wish: other }, wish, now], 'reload'],
  ['other files, by a clock that was ahead', [settings, { at: at(-31e6), wish: other }, wish, now], 'reload'],
  [
    'other files, by a clock that was ahead for seconds',
    [settings, { at: at(-3), wish: other }, wish, now],
    'wait',
  ],
  ['the same files', [settings, { at: at(9999), wish }, wish, now], 'in-vain'],
  ['it failed, in the window', [settings, { at: at(10), wish, failure }, wish, now], 'wait'],
  ['it failed, after the window', [settings, { at: at(301), wish, failure }, wish, now], 'reload'],
];

for (const [says, input, kind] of rows) {
  test(`reload: ${says} → ${kind}`, () => {
    assert.equal(decideReload(...input).kind, kind);
  });
}

test('what a reload is for: every file that waits for one, and its bytes', () => {
  const waits = { kind: 'needs-reload', reason: 'r', code: 'ERR_RUNTIME_CRT_LIST' } as const;
  const waiting = (sha256: string) =>
    doneOutcome({
      ...waits,
      file: 'a.pem',
      certificate: 'a',
      desired: { ...desired, sha256 },
      isProvedLast: false,
    });
  const gone = doneOutcome({ ...waits, file: 'b.pem', certificate: 'b' });

  assert.equal(reloadDigest([gone]), undefined);
  assert.equal(reloadDigest([waiting(wish), gone]), reloadDigest([waiting(wish)]));
  assert.notEqual(reloadDigest([waiting(wish)]), reloadDigest([waiting(other)]));
});

test('the first complaints of a program, and never a line that could hold a key', () => {
  const key = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgabcdefgh';
  const output = `[NOTICE] version\n[ALERT] one\n${key}\n-----BEGIN PRIVATE KEY----- error\n[ALERT] two\n\n[ALERT] ${'x '.repeat(400)}\n[ALERT] four\n`;

  const told = firstLines(output);

  assert.match(told, /^\[ALERT\] one \/ \[ALERT\] two \/ \[ALERT\] x x/);
  assert.ok(told.length < 350 && !told.includes('MIGH') && !told.includes('PRIVATE'));
  assert.equal(firstLines('only this\n'), 'only this');
});
