/** What the audit trail says of a commit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOfCommit } from '../../../../lambda/audit/commit.ts';
import { after, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makePemRef, named } from '../../../support/issuer/documents.ts';

const [www, [older, former, current]] = [named('www'), ['1', '2', '3'].map((digit) => digit.repeat(64))];

for (const [what, ended, serials] of [
  ['the one before what is in force', former, ['0B']],
  ['an older one, of which the manifest has no serial', older, undefined],
] as const) {
  test(`what is revoked is named, and not what is in force: ${what}`, () => {
    const previous = {
      publishedAt: noon.toISOString(),
      pems: [makePemRef({ sha256: former ?? '', serial: '0B' })],
    };
    const entry = makeEntry({ pems: [makePemRef({ sha256: current ?? '', serial: '0C' })], previous });
    const notAfter = after(noon, 1).toISOString();
    const pems = [{ sha256: ended ?? '', notAfter }];

    const facts = factsOfCommit({
      ...{ fleet, before: { [www]: entry }, after: { [www]: entry }, changed: new Set() },
      ended: [{ name: www, tombstone: { reason: 'revoked', at: noon.toISOString(), pems } }],
      because: new Map(),
    });

    const [before, rest] = [
      serials && { before: [...serials] },
      { action: 'revoked', fleet, certificate: www, after: ['0C'] },
    ];
    assert.deepEqual(facts, [{ ...rest, ...before }]);
  });
}
