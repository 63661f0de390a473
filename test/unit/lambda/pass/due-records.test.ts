/** What an order record, left by an earlier pass, changes in the decision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { type Decision, type DueInput, decide } from '../../../../lambda/pass/due.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeDueInput, makeRecord } from '../../../support/issuer/documents.ts';

const inDays = (days: number) => after(noon, days * DAY_MS);
const obtain = (reason: string) => ({ action: 'obtain', reason, directoryUrl: DIRECTORY_URL }) as Decision;
const fresh = (until: Date): Decision => ({ action: 'keep', reason: 'fresh', until });
const retry: Decision = { action: 'resume', reason: 'retry', directoryUrl: DIRECTORY_URL };
const resume: Decision = { action: 'resume', reason: 'order-in-flight', directoryUrl: DIRECTORY_URL };
const backingOff = (until: Date): Decision => ({ action: 'defer', reason: 'backing-off', until });

interface Row extends Partial<DueInput> {
  says: string;
  decision: Decision;
}

const sameRecord = makeRecord();
const failed = (notBefore: Date) => makeRecord({ failures: 1, notBefore });
const RECORDS: Row[] = [
  { says: 'an order in flight is resumed', record: sameRecord, published: undefined, decision: resume },
  {
    says: 'an order in flight is resumed, also where the certificate is fresh',
    record: sameRecord,
    decision: resume,
  },
  {
    says: 'an order in flight is resumed, forced or not',
    record: sameRecord,
    forced: true,
    decision: resume,
  },
  {
    says: 'failed before: not before its time',
    record: failed(after(noon, 1)),
    decision: backingOff(after(noon, 1)),
  },
  { says: 'failed before: at its time', record: failed(noon), decision: retry },
  { says: 'failed before: after its time', record: failed(after(noon, -1)), decision: retry },
  { says: 'failed before and forced: at once', record: failed(inDays(1)), forced: true, decision: retry },
  {
    says: 'failed while the clock was a year ahead: at once',
    record: makeRecord({
      ...{ failures: 1, notBefore: inDays(366) },
      lastFailure: { at: inDays(365), code: 'ERR_PEM_VALIDITY', message: 'has expired', isCaFault: false },
    }),
    decision: retry,
  },
  {
    says: 'failed before for a missing certificate: not before its time',
    record: failed(inDays(1)),
    published: undefined,
    decision: backingOff(inDays(1)),
  },
  ...(
    [
      ['names', { identifiers: ['b.test'] }],
      ['key type', { keyType: 'rsa2048' }],
      ['profile', { profile: 'classic' }],
      ['CA', { directoryUrl: 'https://other.test/dir' }],
    ] satisfies [what: string, changes: Parameters<typeof makeRecord>[0]][]
  ).flatMap(([what, changes]) => {
    const record = makeRecord({ ...changes, failures: 3, notBefore: inDays(1) });
    return [
      {
        says: `a record of another ${what} does not count: missing`,
        record,
        published: undefined,
        decision: obtain('missing'),
      },
      { says: `a record of another ${what} does not count: fresh`, record, decision: fresh(inDays(60)) },
    ];
  }),
];

for (const { says, decision, ...input } of RECORDS) {
  test(`due: ${says}`, () => {
    assert.deepEqual(decide(makeDueInput(input)), decision);
  });
}
