// Field row C8: people get names, codes and times when a level rises, once; nothing is lost where a pass is killed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { type AlarmTopic, announceRises } from '../../../../lambda/figures/announce-rises.ts';
import { LEVELS, type Level } from '../../../../lambda/figures/levels.ts';
import type { Problem } from '../../../../lambda/figures/problems.ts';
import { messageOfRises, problemText } from '../../../../lambda/figures/rises.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { recordEvents } from '../../../support/issuer/events.ts';

const failing = (...names: string[]): Problem[] =>
  names.map((subject) => ({ level: 'CertificatesFailing', subject, code: 'ERR_ACME_PROBLEM', since: noon }));
const expired = (...names: string[]): Problem[] =>
  names.map((subject) => ({ level: 'CertificatesExpired', subject, code: 'expired', since: noon }));

const UNKNOWN = 'unknown';
/** Passes, 30 minutes apart, that know these problems: the subject of each one's message. */
async function messagesOf(passes: readonly (readonly Problem[] | typeof UNKNOWN)[], bucket = memoryBucket()) {
  const all: string[] = [];
  for (const [index, problems] of passes.entries()) {
    let subject = '';
    const topic: AlarmTopic = {
      publish: async (message) => {
        subject = message.subject;
      },
    };
    const now = after(noon, index * 30 * MINUTE_MS);
    const options = { bucket, topic, now, wakeMinutes: 30, log: recordEvents().log };
    const incomplete = new Set<Level>(problems === UNKNOWN ? LEVELS : []);
    await announceRises(options, problems === UNKNOWN ? [] : problems, incomplete);
    all.push(subject);
  }
  return all;
}

const ONE = 'pemfleet: CertificatesExpired 1';
const TWO = 'pemfleet: CertificatesExpired 2';

test('C8: what waits for nothing is sent at once, and not again while it stays', async () => {
  const one = expired('a');

  assert.deepEqual(await messagesOf([[], one, one, one, one]), ['', ONE, '', '', '']);
});

test('C8: what the next pass may cure is sent when it has stood for a period', async () => {
  const one = failing('a');

  assert.deepEqual(await messagesOf([one, one, one, one]), ['', '', 'pemfleet: CertificatesFailing 1', '']);
  assert.deepEqual(await messagesOf([one, [], one, [], one, []]), ['', '', '', '', '', '']);
});

test('C8: one more is sent, one less is not; what comes back within an hour has not been away', async () => {
  const [one, two] = [expired('a'), expired('a', 'b')];

  assert.deepEqual(await messagesOf([one, two, one, two, one, one, one, one, two]), [
    ...[ONE, TWO, '', '', '', '', '', '', TWO],
  ]);
});

test('C8: a level that ends is forgotten after an hour, and is news when it rises anew', async () => {
  const bucket = memoryBucket();

  assert.deepEqual(await messagesOf([expired('a'), [], [], []], bucket), [ONE, '', '', '']);
  assert.deepEqual(JSON.parse(bucket.text(layout.announcedLevels) ?? '').levels, {});
  assert.deepEqual(await messagesOf([expired('a')], bucket), [ONE]);
});

test('a level that a pass cannot know does not fall', async () => {
  const one = expired('a');

  assert.deepEqual(await messagesOf([one, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, one]), [
    ONE,
    '',
    '',
    '',
    '',
    '',
  ]);
});

test('C8: a pass that is killed after the message, or cannot send it, leaves it to the next, and none fails', async () => {
  const bucket = memoryBucket();
  const sent: string[] = [];
  const topic: AlarmTopic = { publish: async ({ subject }) => void sent.push(subject) };
  const broken: AlarmTopic = { publish: () => Promise.reject(new Error('SNS answers 403')) };
  const events = recordEvents();
  const options = { topic, now: noon, wakeMinutes: 30, log: events.log };
  const put = () => Promise.reject(new Error('killed'));

  await announceRises({ ...options, bucket: interposed(bucket, { put }) }, expired('a'));
  await announceRises({ ...options, bucket, topic: broken }, expired('a'));
  assert.deepEqual(
    events.fieldsOf('levels.failed').map(({ error }) => error),
    ['killed', 'SNS answers 403'],
  );
  await announceRises({ ...options, bucket }, expired('a'));
  await announceRises({ ...options, bucket }, expired('a'));

  assert.deepEqual(sent, [ONE, ONE]);
});

test('without a topic the log has it, once', async () => {
  const bucket = memoryBucket();
  const { log, fieldsOf } = recordEvents();
  const options = { bucket, now: noon, wakeMinutes: 30, log };

  await announceRises(options, expired('a'));
  await announceRises(options, expired('a'));

  const worst = ['a expired since 2026-11-22T12:00:00.000Z'];
  assert.deepEqual(fieldsOf('level.risen'), [{ level: 'CertificatesExpired', count: 1, worst }]);
});

test('while nothing is wrong nothing is written', async () => {
  const bucket = memoryBucket();

  await messagesOf([[], []], bucket);

  assert.equal(bucket.text(layout.announcedLevels), undefined);
});

test('C8: a message has the worst three with since, and says how many more there are', () => {
  const worst = failing('a', 'b', 'c');

  const { text, subject } = messageOfRises([{ level: 'CertificatesFailing', count: 5, worst }], 's3://b');

  assert.equal(subject, 'pemfleet: CertificatesFailing 5');
  assert.match(
    text,
    /^CertificatesFailing: 5\n- a ERR_ACME_PROBLEM since 2[^\n]+\n- b [^\n]+\n- c [^\n]+\n- and 2 more\n/,
  );
  assert.match(text, /\nBucket: s3:\/\/b\n$/);
});

test('what SNS takes: ASCII, fewer than 100 characters, and a text of bounded size', () => {
  const long = 'x'.repeat(100_000);
  const rises = LEVELS.map((level) => ({
    ...{ level, count: 99_999 },
    worst: [1, 2, 3].map(() => ({ level, subject: long, certificate: long, code: long, since: noon })),
  }));

  const { text, subject } = messageOfRises(rises, 's3://b');

  assert.match(subject, /^[!-~][ -~]{0,98}$/);
  assert.ok(Buffer.byteLength(text) < 65_536);
});

test('what hosts and CAs say cannot act in a terminal', () => {
  const certificate = 'a\u001b]0;x\u0007';
  const text = problemText({ level: 'HostsBehind', subject: 'default/lb1', certificate, code: 'E\u009b2J' });

  assert.equal(text, 'default/lb1 a ]0;x  E 2J');
});
