import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { proofStatusOf, proofsIn } from '../../../../agent/proof/status.ts';
import type { FileStatus } from '../../../../lambda/contract/host-status.ts';

const [sha256, otherSha] = ['a'.repeat(64), 'b'.repeat(64)];
const [address, second] = ['127.0.0.1:443', '127.0.0.1:8443'];
const noon = Date.parse('2026-11-22T12:00:00Z');
const MINUTE_MS = 60_000;
const settings = { haproxy: { handshake: [address, second] }, watch: { proveWithinMs: 600_000 } };

function proved(at = noon, addresses = [address]): KnownProofs {
  const known = new KnownProofs();
  known.note('shop.pem', sha256, { proved: addresses, unproven: [] }, { at, pid: 7 });
  return known;
}

const rule = { addresses: [address], pid: 7, now: noon + MINUTE_MS, maxAgeMs: 10 * MINUTE_MS };

for (const [says, changes, sha, expected] of [
  ['a minute ago, by the same worker', {}, sha256, 'fresh'],
  ['ten minutes ago', { now: noon + 10 * MINUTE_MS }, sha256, 'aged'],
  ['in the future: the clock was ahead then', { now: noon - 1 }, sha256, 'aged'],
  ['by a worker that was reloaded since', { pid: 8 }, sha256, 'other-worker'],
  ['by a worker that cannot be told apart', { pid: undefined }, sha256, 'fresh'],
  ['of another content', {}, otherSha, 'none'],
  ['at one of two addresses', { addresses: [address, second] }, sha256, 'none'],
  ['where nothing is to be proved', { addresses: [], pid: 8 }, otherSha, 'fresh'],
] as const) {
  test(`a proof ${says} → ${expected}`, () => {
    assert.equal(proved().standingOf('shop.pem', sha, { ...rule, ...changes }), expected);
  });
}

test('a file was shown if its last handshakes have shown it: an older proof and a reason why there is none are not enough', () => {
  const unproven = [{ address, reason: 'unreachable' as const, message: 'ECONNREFUSED' }];
  const known = proved();
  const never = new KnownProofs();

  const before = known.wasShown('shop.pem', sha256);
  for (const one of [known, never]) {
    one.note('shop.pem', sha256, { proved: [], unproven }, { at: noon + MINUTE_MS, pid: 7 });
  }

  assert.equal(before, true);
  assert.equal(proved().wasShown('shop.pem', otherSha), false);
  assert.equal(known.wasShown('shop.pem', sha256), false);
  assert.equal(never.wasShown('shop.pem', sha256), false);
});

test('of an agent before: known, and due again until this one has made its own', () => {
  const known = proved();
  const dead = '127.0.0.1:8443';
  known.noteDead(dead, 'ECONNREFUSED', { at: noon, pid: 7 });
  const tried = known.deadBind(dead, { at: noon, pid: 7 });

  known.inherit();
  const before = known.standingOf('shop.pem', sha256, { ...rule, maxAgeMs: Number.POSITIVE_INFINITY });
  const ofAnotherWorker = known.standingOf('shop.pem', sha256, { ...rule, pid: 8 });
  const inherited = known.deadBind(dead, { at: noon, pid: 7 });
  known.note('shop.pem', sha256, { proved: [address], unproven: [] }, { at: noon, pid: 7 });

  assert.deepEqual([before, ofAnotherWorker], ['aged', 'other-worker']);
  assert.equal(known.standingOf('shop.pem', sha256, rule), 'fresh');
  assert.ok(tried !== undefined);
  assert.equal(inherited, undefined, 'it is tried at once');
  assert.equal(known.deadBinds[0]?.since, noon);
});

test('a file that is distrusted has no proof until it is proved again', () => {
  const known = proved();

  known.distrust('shop.pem');
  const before = known.standingOf('shop.pem', sha256, rule);
  known.note('shop.pem', sha256, { proved: [address], unproven: [] }, { at: noon, pid: 7 });

  assert.equal(before, 'none');
  assert.equal(known.standingOf('shop.pem', sha256, rule), 'fresh');
  assert.equal(known.distrusted.size, 0);
});

test('an address that does not answer: told since the first time, with the last proof; tried again after a minute, or by a new worker', () => {
  const known = proved(noon, [address, second]);
  const at = (minutes: number, pid = 7) => ({ at: noon + minutes * MINUTE_MS, pid });

  for (const minutes of [5, 7]) {
    const { message } = known.noteDead(second, 'ECONNREFUSED', at(minutes));
    const unproven = [{ address: second, reason: 'unreachable' as const, message }];
    known.note('shop.pem', sha256, { proved: [address], unproven }, at(minutes));
  }
  const tried = [
    known.deadBind(second, at(7.9)),
    known.deadBind(second, at(8)),
    known.deadBind(second, at(7.5, 8)),
  ];
  const now = new Date(noon + 8 * MINUTE_MS);
  const status = proofStatusOf({ file: 'shop.pem', sha256 }, { known, settings, before: undefined, now });

  assert.deepEqual(
    tried.map((dead) => dead?.message),
    ['ECONNREFUSED', undefined, undefined],
  );
  assert.equal(known.deadBinds[0]?.since, noon + 5 * MINUTE_MS);
  assert.deepEqual(status, {
    handshakes: [address, second],
    provenAt: '2026-11-22T12:00:00.000Z',
    unproven: {
      since: '2026-11-22T12:05:00.000Z',
      reason: 'unreachable',
      message: `${second}: ECONNREFUSED`,
    },
  });
  assert.equal(known.standingOf('shop.pem', sha256, { ...rule, addresses: [address, second] }), 'aged');
});

test('what HAProxy shows and no handshake has shown yet is told, since when', () => {
  const known = new KnownProofs();
  const before = proofStatusOf(
    { file: 'shop.pem', sha256 },
    { known, settings, before: undefined, now: new Date(noon) },
  );
  const later = proofStatusOf(
    { file: 'shop.pem', sha256 },
    { known, settings, before: before as never, now: new Date(noon + MINUTE_MS) },
  );

  assert.equal(before.unproven?.reason, 'not-yet');
  assert.deepEqual(later, before);
});

test('the last proof of an address that is not of this machine any more does not age; that of the others does', () => {
  const known = proved(noon, [address, second]);
  const statusWith = (proof: readonly string[], gone: readonly string[], minutes: number) => {
    const at = noon + minutes * MINUTE_MS;
    const unproven = gone.map((one) => ({ address: one, reason: 'not-here' as const, message: 'VRRP' }));
    known.note('shop.pem', sha256, { proved: proof, unproven }, { at, pid: 7 });
    return proofStatusOf(
      { file: 'shop.pem', sha256 },
      { known, settings, before: undefined, now: new Date(at) },
    );
  };

  const one = statusWith([address], [second], 10);
  const none = statusWith([], [address, second], 20);
  const files = [{ ...none, state: 'served' }] as FileStatus[];

  assert.deepEqual(one.handshakes, [address, second]);
  assert.equal(one.provenAt, '2026-11-22T12:10:00.000Z');
  assert.equal(none.provenAt, undefined);
  assert.deepEqual(none.handshakes, [address, second]);
  assert.equal(proofsIn(files, settings)?.oldest, undefined);
  assert.equal(statusWith([address, second], [], 30).provenAt, '2026-11-22T12:30:00.000Z');
});
