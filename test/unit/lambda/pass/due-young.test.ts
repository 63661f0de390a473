/** A CA whose renewal information always says "now", or names the past, gets no order in each pass (RFC 9773 §4.2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { type Decision, decide } from '../../../../lambda/pass/due.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeDueInput, makeEntry, makePemRef } from '../../../support/issuer/documents.ts';

const inHours = (hours: number) => after(noon, hours * HOUR_MS);
const obtain = (reason: string) => ({ action: 'obtain', reason, directoryUrl: DIRECTORY_URL }) as Decision;
const fresh = (until: Date): Decision => ({ action: 'keep', reason: 'fresh', until });

interface Row {
  says: string;
  /** In hours from noon, at which the certificate begins and is published, unless the row says so. */
  window: [from: number, to: number];
  now: number;
  days?: number;
  notBefore?: number;
  publishedAt?: number;
  decision: Decision;
}

const ROWS: Row[] = [
  {
    says: 'a window that is over before the certificate is valid counts as none',
    ...{ window: [-2800, -2700], now: 24 * 40, decision: fresh(inHours(24 * 60)) },
  },
  {
    says: 'a window that ends as it begins to be valid counts as none',
    ...{ window: [-48, 0], now: 48, decision: fresh(inHours(24 * 60)) },
  },
  {
    says: 'after that, its lifetime renews it',
    ...{ window: [-2800, -2700], now: 24 * 60, decision: obtain('lifetime') },
  },
  {
    says: 'a window that is over soon after it was issued waits half a day',
    ...{ window: [-1, 0.1], now: 11.9, decision: fresh(inHours(12)) },
  },
  {
    says: 'a window that is over soon after it was issued, half a day later',
    ...{ window: [-1, 0.1], now: 12, decision: obtain('renewal-window-past') },
  },
  {
    says: 'a window that is open at once waits half a day',
    ...{ window: [-1, 1000], now: 11.9, decision: fresh(inHours(12)) },
  },
  {
    says: 'a window that is open at once, half a day later',
    ...{ window: [-1, 1000], now: 12, decision: obtain('renewal-window') },
  },
  {
    says: 'of six days: a twentieth of them',
    ...{ window: [-1, 1], days: 6, now: 7.1, decision: fresh(inHours(7.2)) },
  },
  {
    says: 'a CA that backdates what it issues: half a day from the publication',
    ...{ window: [1, 2], notBefore: -24 * 7, now: 11, decision: fresh(inHours(12)) },
  },
  {
    says: 'published by a clock that was ahead: half a day from its begin',
    ...{ window: [1, 2], publishedAt: 24 * 300, now: 13, decision: obtain('renewal-window-past') },
  },
];

for (const { says, window, now, days = 90, notBefore = 0, publishedAt = 0, decision } of ROWS) {
  test(says, () => {
    const [start, end] = window.map(inHours) as [Date, Date];
    const validity = {
      notBefore: inHours(notBefore).toISOString(),
      notAfter: after(noon, days * DAY_MS).toISOString(),
    };
    const pem = makePemRef(validity);
    const previous = { publishedAt: inHours(publishedAt - 1).toISOString(), pems: [pem] };
    const published = makeEntry({ publishedAt: inHours(publishedAt).toISOString(), pems: [pem], previous });
    const windows = new Map([[pem.certId ?? '', { start, end, renewAt: start }]]);

    const seen = decide(makeDueInput({ published, windows, now: inHours(now) }));

    assert.deepEqual(seen, decision);
  });
}

test('the first time a CA is obeyed at once, also by a window that is over before the certificate is valid', () => {
  const pem = makePemRef({ notBefore: noon.toISOString(), notAfter: after(noon, 90 * DAY_MS).toISOString() });
  const published = makeEntry({ publishedAt: noon.toISOString(), pems: [pem] });
  const [start, end] = [inHours(-2), inHours(-1)];
  const windows = new Map([[pem.certId ?? '', { start, end, renewAt: start }]]);
  const decisionAfter = (previous: string | undefined) =>
    decide(
      makeDueInput({
        published: { ...published, ...(previous && { previous: { publishedAt: previous, pems: [pem] } }) },
        windows,
        now: inHours(0.1),
      }),
    );

  assert.deepEqual(decisionAfter(undefined), obtain('renewal-window-past'));
  assert.deepEqual(decisionAfter(inHours(-24 * 60).toISOString()), obtain('renewal-window-past'));
  assert.deepEqual(decisionAfter(inHours(-11).toISOString()), fresh(inHours(24 * 60)));
});

test('a window that always ends in a hundred seconds: twice a day for a pass in each half hour, not 48 times', () => {
  let [orders, published] = [0, makeEntry()];
  for (let pass = 0; pass < 48 * 3; pass += 1) {
    const now = inHours(pass / 2);
    const window = { start: after(now, -HOUR_MS), end: after(now, 100_000), renewAt: now };
    const windows = new Map([[makePemRef().certId ?? '', window]]);
    if (decide(makeDueInput({ published, windows, now })).action !== 'obtain') continue;
    orders += 1;
    const notAfter = after(now, 90 * DAY_MS).toISOString();
    const pems = [makePemRef({ notBefore: now.toISOString(), notAfter })];
    const { publishedAt, pems: former } = published;
    published = makeEntry({ publishedAt: now.toISOString(), pems, previous: { publishedAt, pems: former } });
  }

  // One at once, and then two a day.
  assert.equal(orders, 6);
});
