/** What each CA offers, before anything is ordered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ca } from '../../../../lambda/ca/ca.ts';
import { checkCas } from '../../../../lambda/preflight/check-cas.ts';
import { noon } from '../../../support/clock.ts';
import { makeConfig } from '../../../support/issuer/documents.ts';

const { certificates } = makeConfig([{ identifiers: ['a.test'], profile: 'short' }]);

const storedAccount = async () => undefined;
/** Without an account: that is said, and is no fault here. */
const caWith = (directoryUrl: string, profiles: object | undefined) => {
  const directory = async () => ({ meta: { profiles }, date: noon.toUTCString() });
  return [
    directoryUrl,
    { settings: { directoryUrl }, directory, freshDirectory: directory, storedAccount } as unknown as Ca,
  ] as const;
};

test('a profile that is not offered is a fault at the first CA, and none at a fallback CA', async () => {
  const [first, second] = ['https://first.test/', 'https://second.test/'];
  const cas = new Map([caWith(first, undefined), caWith(second, { classic: '' })]);

  const findings = await checkCas(cas, certificates, () => noon);

  const profiles = findings.filter(({ check }) => check === 'profile');
  assert.deepEqual(
    profiles.map(({ subject, result, saw }) => [subject, result, saw]),
    [
      [first, 'failed', 'no profiles'],
      [second, 'ok', 'classic: ordered without a profile here'],
    ],
  );
});
