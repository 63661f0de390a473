/** A row for each reason, and for each edge at which it begins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { type Decision, type DueInput, decide, matchesSpec } from '../../../../lambda/pass/due.ts';
import { after, noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeDueInput,
  makeEntry,
  makePemRef,
  makeRecord,
  makeSpec,
} from '../../../support/issuer/documents.ts';

const issued = makeEntry().issued;
const inDays = (days: number) => after(noon, days * DAY_MS);
const inHours = (hours: number) => after(noon, hours * HOUR_MS);
/** Published at noon, with a life of so many days. */
const lasting = (days: number) => makeEntry({ pems: [makePemRef({ notAfter: inDays(days).toISOString() })] });
const pair = (ecDays: number, rsaDays: number) =>
  makeEntry({
    pems: [
      makePemRef({ notAfter: inDays(ecDays).toISOString() }),
      makePemRef({ keyType: 'rsa2048', notAfter: inDays(rsaDays).toISOString() }),
    ],
  });
const OTHER_URL = 'https://other.test/dir';
const obtain = (reason: string, directoryUrl = DIRECTORY_URL) =>
  ({ action: 'obtain', reason, directoryUrl }) as Decision;
const fresh = (until: Date): Decision => ({ action: 'keep', reason: 'fresh', until });

interface Row extends Partial<DueInput> {
  says: string;
  decision: Decision;
}

const CHANGES: Row[] = [
  { says: 'nothing published: missing', published: undefined, decision: obtain('missing') },
  {
    says: 'nothing published, forced: still missing',
    published: undefined,
    forced: true,
    decision: obtain('missing'),
  },
  { says: 'just published: fresh until two thirds of its life', decision: fresh(inDays(60)) },
  {
    says: 'the names in another order are the same names',
    spec: makeSpec({ identifiers: ['b', 'a'] }),
    published: makeEntry({ identifiers: ['a', 'b'] }),
    decision: fresh(inDays(60)),
  },
  {
    says: 'one more name',
    spec: makeSpec({ identifiers: ['a.test', 'b.test'] }),
    decision: obtain('identifiers-changed'),
  },
  {
    says: 'one name less',
    published: makeEntry({ identifiers: ['a.test', 'b.test'] }),
    decision: obtain('identifiers-changed'),
  },
  {
    says: 'another key type',
    spec: makeSpec({ keyTypes: ['rsa2048'] }),
    decision: obtain('key-type-changed'),
  },
  { says: 'a pair where one key is wanted', published: pair(90, 90), decision: obtain('key-type-changed') },
  {
    says: 'a profile is wanted',
    spec: makeSpec({ profile: 'shortlived' }),
    decision: obtain('profile-changed'),
  },
  {
    says: 'no profile is wanted any more',
    published: makeEntry({ issued: { ...issued, profile: 'classic' } }),
    decision: obtain('profile-changed'),
  },
  {
    says: 'the same profile',
    spec: makeSpec({ profile: 'classic' }),
    published: makeEntry({ issued: { ...issued, profile: 'classic' } }),
    decision: fresh(inDays(60)),
  },
  {
    says: 'another CA is configured',
    cas: [{ directoryUrl: OTHER_URL }],
    decision: obtain('ca-changed', OTHER_URL),
  },
  {
    says: 'other names at another CA',
    cas: [{ directoryUrl: OTHER_URL }],
    spec: makeSpec({ identifiers: ['b.test'] }),
    decision: obtain('identifiers-changed', OTHER_URL),
  },
  { says: 'forced', forced: true, decision: obtain('forced') },
  {
    says: 'a certificate without a certID has no window, and can be forced',
    published: makeEntry({ pems: [{ ...makePemRef(), certId: undefined }] }),
    forced: true,
    decision: obtain('forced'),
  },
];

const LIFETIMES: Row[] = [
  {
    says: '90 days: fresh a millisecond before two thirds',
    now: after(inDays(60), -1),
    decision: fresh(inDays(60)),
  },
  { says: '90 days: due at two thirds', now: inDays(60), decision: obtain('lifetime') },
  {
    says: '6 days: fresh a millisecond before half',
    published: lasting(6),
    now: after(inDays(3), -1),
    decision: fresh(inDays(3)),
  },
  { says: '6 days: due at half', published: lasting(6), now: inDays(3), decision: obtain('lifetime') },
  {
    says: '10 days are not short-lived',
    published: lasting(10),
    now: inDays(5),
    decision: fresh(after(noon, (DAY_MS * 20) / 3)),
  },
  {
    says: 'a little below 10 days is short-lived',
    published: makeEntry({ pems: [makePemRef({ notAfter: after(inDays(10), -1000).toISOString() })] }),
    now: inDays(5),
    decision: obtain('lifetime'),
  },
  { says: '90 days: not yet an emergency', now: after(inDays(85.5), -1), decision: obtain('lifetime') },
  { says: '90 days: an emergency with a twentieth left', now: inDays(85.5), decision: obtain('emergency') },
  { says: 'the moment of expiry is an emergency', now: inDays(90), decision: obtain('emergency') },
  { says: 'long expired is an emergency', now: inDays(900), decision: obtain('emergency') },
  { says: 'forced tells more than emergency', now: inDays(89), forced: true, decision: obtain('forced') },
  { says: 'the clock is before notBefore: fresh', now: inDays(-1), decision: fresh(inDays(60)) },
];

/** The CA's window for the certificate that is published at noon: ten to twelve days later, with the time that is picked inside. */
const [start, renewAt, end] = [inDays(10), inDays(11), inDays(12)];
const windows = new Map([[makePemRef().certId ?? '', { start, end, renewAt }]]);
const wakeMs = DAY_MS / 4;
const pickedAt = (time: Date) => new Map([...windows].map(([id, w]) => [id, { ...w, renewAt: time }]));

/** RFC 9773 §4.2. */
const WINDOWS: Row[] = [
  {
    says: 'renewal window: never before its start, be the next wake after its end',
    now: after(start, -1),
    wakeMs: 5 * DAY_MS,
    decision: fresh(renewAt),
  },
  {
    says: 'renewal window: at its start, when no other wake comes before its end',
    now: start,
    wakeMs: 5 * DAY_MS,
    decision: obtain('renewal-window'),
  },
  { says: 'renewal window: fresh before the picked time', now: after(renewAt, -1), decision: fresh(renewAt) },
  { says: 'renewal window: due at the picked time', now: renewAt, decision: obtain('renewal-window') },
  {
    says: 'renewal window: a wake before the last one waits for the picked time',
    ...{
      now: after(end, -wakeMs - 1),
      windows: pickedAt(end),
    },
    decision: fresh(end),
  },
  {
    says: 'renewal window: the last wake before its end is not skipped',
    ...{
      now: after(end, -wakeMs),
      windows: pickedAt(end),
    },
    decision: obtain('renewal-window'),
  },
  { says: 'renewal window: over', now: end, decision: obtain('renewal-window-past') },
  {
    says: 'renewal window: it counts, and not the lifetime',
    ...{ published: lasting(12), now: after(start, -1) },
    decision: fresh(renewAt),
  },
  {
    says: 'renewal window: an emergency waits for none',
    ...{ published: lasting(10), now: after(start, -1) },
    decision: obtain('emergency'),
  },
  {
    says: 'renewal window: it reaches beyond the certificate: it ends where the emergency begins',
    ...{ published: lasting(11), now: after(inDays(10.45), -wakeMs - 1), windows: pickedAt(end) },
    decision: fresh(inDays(10.45)),
  },
  {
    says: 'renewal window: it reaches beyond the certificate: the last wake before the emergency is not skipped',
    ...{ published: lasting(11), now: after(inDays(10.45), -wakeMs), windows: pickedAt(end) },
    decision: obtain('renewal-window'),
  },
  {
    says: 'renewal window: it begins when the certificate is nearly over, and counts for nothing',
    ...{ published: lasting(10.5), now: inDays(7) },
    decision: obtain('lifetime'),
  },
].map((row) => ({ windows, wakeMs, ...row }));

/** Published at noon for six hours, with a window of so many hours from then; a wake in each hour. */
const sixHours = (from: number, to: number, pick: number, now: number) => ({
  published: lasting(1 / 4),
  windows: new Map([
    [makePemRef().certId ?? '', { start: inHours(from), end: inHours(to), renewAt: inHours(pick) }],
  ]),
  wakeMs: HOUR_MS,
  now: inHours(now),
});

/** Pebble gives a certificate of six hours a window of two days. */
const BEYOND_LIFE: Row[] = [
  {
    says: 'a window for the whole life says nothing: the lifetime counts',
    ...sixHours(-20, 28, 27, 2.9),
    decision: fresh(inHours(3)),
  },
  {
    says: 'a window for the whole life, half of which is over',
    ...sixHours(-20, 28, -19, 3),
    decision: obtain('lifetime'),
  },
  {
    says: 'a window that reaches past the end of life: the last pass before an emergency is not skipped',
    ...sixHours(3, 28, 20, 4.7),
    decision: obtain('renewal-window'),
  },
  {
    says: 'a window that reaches past the end of life, the pass before that',
    ...sixHours(3, 28, 20, 3.6),
    decision: fresh(inHours(5.7)),
  },
  {
    says: 'a window behind the end of life is none',
    ...sixHours(7, 8, 7.5, 3),
    decision: obtain('lifetime'),
  },
];

for (const { says, decision, ...input } of [...CHANGES, ...LIFETIMES, ...WINDOWS, ...BEYOND_LIFE]) {
  test(`due: ${says}`, () => {
    assert.deepEqual(decide(makeDueInput(input)), decision);
  });
}

test('due: of a pair, the one that is due first decides', () => {
  const input = makeDueInput({ spec: makeSpec({ keyTypes: ['ec256', 'rsa2048'] }) });

  assert.deepEqual(
    decide({ ...input, published: pair(90, 60), now: after(inDays(40), -1) }),
    fresh(inDays(40)),
  );
  assert.deepEqual(decide({ ...input, published: pair(90, 60), now: inDays(40) }), obtain('lifetime'));
  assert.deepEqual(decide({ ...input, published: pair(60, 90), now: inDays(57) }), obtain('emergency'));
});

test('due: decisions do not change what they are made from', () => {
  const input: DueInput = Object.freeze({
    ...makeDueInput(),
    spec: Object.freeze(makeSpec({ identifiers: Object.freeze(['b', 'a']) as string[] })),
    published: Object.freeze(makeEntry({ identifiers: Object.freeze(['a', 'b']) as string[] })),
    record: Object.freeze(makeRecord({ identifiers: ['b', 'a'] })),
    forced: false,
    now: noon,
  });

  assert.doesNotThrow(() => decide(input));
  assert.ok(matchesSpec(makeRecord({ identifiers: ['a', 'b'] }), input.spec, input.cas));
});
