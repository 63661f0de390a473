// A CA that told us to stay away waits for everybody; one that is out of reach only lets others go first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';
import {
  avoidedUntil,
  pausedUntil,
  withOutage,
  withoutOutage,
  withPause,
} from '../../../../lambda/ca/pause.ts';
import type { CaState } from '../../../../lambda/ca/state.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { makeSpec } from '../../../support/issuer/documents.ts';

const FIRST = 'https://first.test/dir';
const SECOND = 'https://second.test/dir';
const begin = new Date('2026-11-22T12:00:00Z');
const empty: CaState = { version: 1, cas: {}, sets: {} };
const minutes = (count: number) => new Date(begin.getTime() + count * 60_000);
const minutesUntil = (date: Date | undefined, from: Date) =>
  date === undefined ? undefined : (date.getTime() - from.getTime()) / 60_000;

/** Passes an hour apart that do not reach the CA. */
function outageOf(passes: number): { state: CaState; at: Date } {
  let [state, at] = [empty, begin];
  for (let pass = 0; pass < passes; pass += 1) {
    at = minutes(pass * 60);
    state = withOutage(state, FIRST, at, at);
  }
  return { state, at };
}

test('a pause doubles from 15 minutes to three hours, and ends with what the CA said if that is sooner', () => {
  const rateLimited = (retryAfter?: Date) =>
    new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited' }, 429, retryAfter);
  let state = empty;
  const waits = [];
  for (let strike = 0; strike < 6; strike += 1) {
    state = withPause(state, FIRST, rateLimited(), begin);
    waits.push(minutesUntil(pausedUntil(state, FIRST, begin), begin));
  }

  assert.deepEqual(waits, [15, 30, 60, 120, 180, 180]);
  const soon = withPause(state, FIRST, rateLimited(minutes(5)), begin);
  assert.equal(minutesUntil(pausedUntil(soon, FIRST, begin), begin), 5);
});

test('out of reach: avoided from the second pass on, for 15 minutes to three hours', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((passes) => {
    const { state, at } = outageOf(passes);
    return minutesUntil(avoidedUntil(state, FIRST, at), at);
  });

  assert.deepEqual(waits, [undefined, 15, 30, 60, 120, 180, 180]);
});

test('out of reach for long: the next pass still finds it avoided, also where passes come every twelve hours', () => {
  let [state, at] = [empty, begin];
  const avoided = [];
  for (let pass = 0; pass < 8; pass += 1) {
    at = minutes(pass * 720);
    avoided.push(avoidedUntil(state, FIRST, at) !== undefined);
    state = withOutage(state, FIRST, at, at);
  }

  assert.deepEqual(avoided, [false, false, false, false, false, false, true, true]);
});

test('a pass counts once, however many certificates it has; a certificate that was issued ends the outage', () => {
  const once = withOutage(empty, FIRST, begin, minutes(1));

  assert.equal(withOutage(once, FIRST, begin, minutes(2)), once);
  const issued = withoutOutage(outageOf(3).state, FIRST);
  assert.equal(avoidedUntil(issued, FIRST, begin), undefined);
});

const choose = (...cas: Parameters<typeof decide>[0]['cas']) =>
  decide({
    spec: makeSpec({}),
    cas,
    published: undefined,
    windows: new Map(),
    record: undefined,
    forced: false,
    now: begin,
    wakeMs: 900_000,
  });

test('a CA that is out of reach is passed over while there is another CA, and asked when there is none', () => {
  const first = { directoryUrl: FIRST, avoidedUntil: minutes(10) };
  const toSecond = { action: 'obtain', reason: 'missing', directoryUrl: SECOND };

  assert.deepEqual(choose(first, { directoryUrl: SECOND }), toSecond);
  assert.deepEqual(choose(first), { ...toSecond, directoryUrl: FIRST });
  assert.deepEqual(choose(first, { directoryUrl: SECOND, pausedUntil: minutes(5) }), {
    ...toSecond,
    directoryUrl: FIRST,
  });
  const over = { directoryUrl: FIRST, avoidedUntil: begin };
  assert.deepEqual(choose(over, { directoryUrl: SECOND }), { ...toSecond, directoryUrl: FIRST });
});
