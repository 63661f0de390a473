/** How far a request has come, by what is published and by the order records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { progressOf, scopeText } from '../../../../lambda/replacement/progress.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeEntry, makeRecord, makeSpec, named } from '../../../support/issuer/documents.ts';

const at = after(noon, HOUR_MS);
const now = after(noon, 2 * HOUR_MS);
const request = { at: at.toISOString(), scope: { all: true } as const, certificates: 4, reason: 'why' };
const failing = (createdAt: Date) => ({
  ...{ name: named('a.test'), isResumed: true, etag: '' },
  record: makeRecord({
    createdAt,
    failures: 1,
    notBefore: now,
    lastFailure: { at: createdAt, code: 'ERR_ACME_PROBLEM', message: 'refused', isCaFault: false },
  }),
});
const certificate = (publishedAt: Date | undefined, stored?: ReturnType<typeof failing>) => ({
  spec: makeSpec(),
  published: publishedAt && makeEntry({ publishedAt: publishedAt.toISOString() }),
  stored,
});

test('done is what is not left; a failure of before the request does not count', () => {
  const certificates = [
    certificate(now),
    certificate(noon),
    certificate(noon, failing(noon)),
    certificate(noon, failing(at)),
    certificate(undefined),
  ];

  const { failures, ...progress } = progressOf(request, certificates, now);

  assert.deepEqual(progress, {
    ...{ at: request.at, scope: 'all certificates', reason: 'why' },
    ...{ certificates: 4, done: 1, left: 3, failed: 1 },
  });
  assert.equal(failures[0]?.failure.message, 'refused');
});

test('more is left than was covered at first, for the configuration has grown: no negative number', () => {
  const { certificates, done, left } = progressOf(
    { ...request, certificates: 1 },
    [certificate(noon), certificate(noon)],
    now,
  );

  assert.deepEqual([certificates, done, left], [2, 0, 2]);
});

for (const [scope, text] of [
  [{ all: true }, 'all certificates'],
  [{ serials: ['0A'] }, 'certificates with serial 0A'],
  [
    { directoryUrl: 'https://ca.test/', issuedBefore: '2026-11-26T00:00:00Z', serials: ['0A', '0B'] },
    'certificates of https://ca.test/, valid from before 2026-11-26T00:00:00Z, with one of 2 serials',
  ],
] as const) {
  test(`for people: ${text}`, () => {
    assert.equal(
      scopeText({ ...scope, ...('serials' in scope && { serials: [...scope.serials] }) } as never),
      text,
    );
  });
}
