import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leanStatus, noTexts } from '../../../../../lambda/fleet/statuses/lean-status.ts';
import { makeHostStatus, named } from '../../../../support/issuer/documents.ts';

const at = '2026-11-27T10:00:00.000Z';
const error = { code: 'ERR_X', message: 'why' };
const file = {
  ...{ file: 'shop.pem', certificate: named('shop'), state: 'served', since: at, handshakes: ['a:443'] },
  ...{ wanted: { sha256: 'ab'.repeat(32), serial: '0A' }, disk: { sha256: 'ab'.repeat(32) } },
  runtime: { serial: '0A', notAfter: at, chainLength: 2 },
  ...{ provenAt: at, unproven: { since: at, reason: 'not-yet', message: 'later' }, error },
  wire: { address: 'a:443', wrong: 1, samples: 20 },
  ...{ overlaps: [{ name: 'a.test', by: 'b.pem' }], staple: { nextUpdate: at } },
} as const;
const status = () => ({
  ...makeHostStatus('lb1', { files: [structuredClone(file) as never] }),
  ...{ unlisted: { served: 7 }, conditions: [{ condition: 'clock-off', since: at, message: 'm' }] },
  ...{ clockOffsetMs: -5, endedEntries: [{ certificate: named('gone'), sha256: 'cd'.repeat(32) }] },
});

test('all that is known stays as it is, whatever it is', () => {
  assert.deepEqual(leanStatus(status(), noTexts()), status());
});

test('what nobody knows is left out, at any depth', () => {
  const swollen = status();
  Object.assign(swollen, { more: [[{}]] });
  Object.assign(swollen.files[0] ?? {}, { more: 1 });
  Object.assign(swollen.files[0]?.wanted ?? {}, { more: {} });

  assert.deepEqual(leanStatus(swollen, noTexts()), status());
});

test('of two hosts that say the same of a file, there is one of it', () => {
  const known = noTexts();
  const [first, second] = [leanStatus(status(), known), leanStatus(status(), known)];

  assert.notEqual(first.files[0], second.files[0]);
  for (const member of ['wanted', 'runtime', 'handshakes'] as const) {
    assert.equal(first.files[0]?.[member], second.files[0]?.[member], member);
  }
});
