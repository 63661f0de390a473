import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { publishedLives } from '../../../../../lambda/commands/schedule/published-lives.ts';
import { findWakeProblem } from '../../../../../lambda/config/schedule.ts';
import type { RenewalWindow } from '../../../../../lambda/pass/renewal-windows.ts';
import { after, noon } from '../../../../support/clock.ts';
import { makeEntry, makePemRef, makeSpec } from '../../../../support/issuer/documents.ts';

const pem = makePemRef({
  ...{ certId: 'a.b', notBefore: noon.toISOString() },
  notAfter: after(noon, 90 * DAY_MS).toISOString(),
});
const certificate = { spec: makeSpec(), published: makeEntry({ pems: [pem] }) };
const windowOf = (beginsInMs: number, lengthMs: number) => {
  const start = after(noon, beginsInMs);
  return new Map([['a.b', { start, end: after(start, lengthMs) } as RenewalWindow]]);
};
const wantedBy = (windows: ReadonlyMap<string, RenewalWindow>) =>
  findWakeProblem(60, publishedLives([certificate as never], windows, noon))?.fittingMinutes;

test('pemfleet timer: a window that the CA suggests asks for wakes inside of it, whatever the lifetime', () => {
  assert.equal(wantedBy(windowOf(DAY_MS, 50 * MINUTE_MS)), 40);
  assert.equal(wantedBy(windowOf(DAY_MS, 2 * DAY_MS)), undefined);
  assert.equal(
    wantedBy(windowOf(-HOUR_MS, 10 * MINUTE_MS)),
    undefined,
    'an incident has moved it into the past',
  );
  assert.equal(wantedBy(new Map()), undefined);
});
