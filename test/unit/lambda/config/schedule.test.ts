/** How often passes have to come: by lifetime, by window, implied where nothing is set. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import {
  configuredLives,
  findWakeProblem,
  fittingMinutes,
  wakeProblemText,
} from '../../../../lambda/config/schedule.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';

const BOULDER = 2 / 100;

for (const [says, lifetimeMs, byLifetime, byWindow] of [
  ['6 h', 6 * HOUR_MS, 15, 5],
  ['24 h', DAY_MS, 60, 23],
  ['160 h', 160 * HOUR_MS, 400, 153],
  ['45 days', 45 * DAY_MS, 1440, 1036],
  ['90 days', 90 * DAY_MS, 1440, 1440],
  ['10 minutes: no schedule is enough', 10 * MINUTE_MS, 0, 0],
] as const) {
  test(`a lifetime of ${says}`, () => {
    const life = { certificate: 'a.test', lifetimeMs };

    assert.equal(fittingMinutes(life), byLifetime);
    assert.equal(fittingMinutes({ ...life, windowMs: lifetimeMs * BOULDER }), byWindow);
  });
}

const acme = { directoryUrl: 'https://ca.test/dir', termsOfServiceAgreed: true };
const letsencrypt = { ...acme, directoryUrl: 'letsencrypt' };
const certificates = [{ identifiers: ['a.test'] }];
const shortlived = [{ identifiers: ['a.test'], profile: 'shortlived' }];

for (const [says, changes, wanted] of [
  ['a CA of which nothing is known', { acme }, 30],
  ["Let's Encrypt, classic", { acme: letsencrypt }, 30],
  ["Let's Encrypt, shortlived", { acme: letsencrypt, certificates: shortlived }, 30],
  ['a private CA with certificates of 6 h', { acme: { ...acme, lifetime: '6h' } }, 15],
  ['a private CA with certificates of a day', { acme: { ...acme, lifetime: '1d' } }, 30],
  [
    'a fallback CA with certificates of 4 h',
    { acme: letsencrypt, fallback: [{ ...acme, lifetime: '4h' }] },
    10,
  ],
  ['less than any schedule can', { acme: { ...acme, lifetime: '1h' } }, 5],
  ['set, whatever the lifetime', { acme: { ...acme, lifetime: '6h' }, wakeMinutes: 120 }, 120],
] as const) {
  test(`the schedule: ${says}`, () => {
    assert.equal(makeConfig(certificates, changes).wakeMinutes, wanted);
  });
}

test('a lifetime is hours or days', () => {
  for (const lifetime of ['90', '0h', '6 h', '1w', '-6h', '99999h']) {
    assert.throws(() => makeConfig(certificates, { acme: { ...acme, lifetime } }), /acme\.lifetime: wanted/);
  }
});

test('an explicit lifetime goes before what the profile implies, and a fallback CA gives no profile of the first', () => {
  const config = makeConfig(shortlived, {
    acme: { ...acme, lifetime: '24h' },
    fallback: [letsencrypt],
  });

  assert.deepEqual(
    configuredLives(config).map(({ lifetimeMs }) => lifetimeMs),
    [DAY_MS, 90 * DAY_MS],
  );
});

test('the certificate that needs passes most often is named, with what it wants', () => {
  const lives = [
    { certificate: 'long.test', lifetimeMs: 90 * DAY_MS },
    { certificate: 'short.test', lifetimeMs: DAY_MS, windowMs: 29 * MINUTE_MS },
  ];

  const problem = findWakeProblem(30, lives);

  assert.equal(
    problem && wakeProblemText(problem),
    'short.test has a lifetime of 24 h and a renewal window of 29 min: wanted a pass every 23 min or more often, saw every 30 min',
  );
  assert.equal(findWakeProblem(23, lives), undefined);
  assert.equal(findWakeProblem(1440, []), undefined);
});
