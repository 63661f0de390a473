import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostStatus } from '#contract/host-status.ts';
import { ProofPace } from '../../../../agent/proof/pace.ts';
import { proofsOfAll } from '../../../../agent/proof/status.ts';

const MINUTE_MS = 60_000;
const TEN_MINUTES_MS = 10 * MINUTE_MS;

/** As many handshakes as make what was known before forgotten. */
function paceAfter(costMs: number, count = 100): ProofPace {
  const pace = new ProofPace();
  for (let index = 0; index < count; index += 1) pace.noteUse(costMs, 260);
  return pace;
}

for (const [costMs, everyMs] of [
  [0, 260],
  [1.3, 260],
  [2.6, 260],
  [5.2, 520],
  [10, 1000],
] as const) {
  test(`a handshake that takes ${costMs} ms of processor time is made every ${everyMs} ms at the soonest`, () => {
    assert.ok(Math.abs(paceAfter(costMs).everyMs - everyMs) < everyMs / 100);
  });
}

test('what no handshake takes is no measurement: the pace has an end', () => {
  assert.ok(paceAfter(5000).everyMs <= 10_400);
});

test('one handshake that took long does not change the pace of all', () => {
  const pace = paceAfter(2.6);
  pace.noteUse(5.2, 260);

  assert.ok(pace.everyMs < 280, String(pace.everyMs));
});

/** Handshakes at the pace, with a poll each minute. */
function paceBeside(pollMs: number, costMs = 2.6): ProofPace {
  const pace = paceAfter(costMs);
  let sincePollMs = 0;
  for (let hour = 0; hour < 60 * MINUTE_MS; hour += pace.everyMs) {
    sincePollMs += pace.everyMs;
    const isPoll = sincePollMs >= MINUTE_MS;
    if (isPoll) sincePollMs = 0;
    pace.noteUse(costMs + (isPoll ? pollMs : 0), pace.everyMs);
  }
  return pace;
}

test('what the agent does besides leaves less to handshakes, which keep a quarter of the hundredth', () => {
  for (const [pollMs, everyMs] of [
    [0, 260],
    [200, 390],
    [300, 520],
    [30_000, 1040],
  ] as const) {
    const pace = paceBeside(pollMs);
    assert.ok(Math.abs(pace.everyMs - everyMs) < everyMs / 5, `${pollMs}: ${pace.everyMs}`);
  }
});

test('handshakes and polls together take a hundredth of a core, whatever the machine', () => {
  for (const slowness of [0.5, 1, 2, 4]) {
    const [costMs, pollMs] = [2.6 * slowness, 50 * slowness];
    const share = costMs / paceBeside(pollMs, costMs).everyMs + pollMs / MINUTE_MS;
    assert.ok(share <= 0.0105, `${slowness}: ${share}`);
  }
});

test('the span grows with the number, with the cost of a handshake, and with what delays them', () => {
  const minutesOf = (pace: ProofPace, total: number) => pace.spanOf(total, TEN_MINUTES_MS) / MINUTE_MS;
  const delayed = (factor: number) => {
    const pace = new ProofPace();
    for (let index = 0; index < 200; index += 1) pace.noteDelay(260, factor * 260);
    return pace;
  };

  assert.equal(minutesOf(new ProofPace(), 100), 10);
  assert.equal(Math.round(minutesOf(new ProofPace(), 10_000)), 43);
  assert.equal(Math.round(minutesOf(paceAfter(5.2), 10_000)), 87);
  assert.equal(Math.round(minutesOf(delayed(1.5), 10_000)), 65);
  assert.equal(Math.round(minutesOf(delayed(1.5), 100)), 14);
  assert.equal(minutesOf(delayed(0.5), 100), 10);
  assert.equal(Math.round(minutesOf(delayed(1000), 10_000)), 433);
});

test('of two HAProxy of one host, one agent shakes hands with both: their spans add up', () => {
  const status = (served: number) =>
    ({
      proofs: { spanMs: TEN_MINUTES_MS, unproven: 1 },
      files: Array.from({ length: served }, () => ({ state: 'served' })),
    }) as unknown as HostStatus;
  const settings = (name: string, handshake: string[]) => ({
    haproxy: { name, handshake },
    watch: { proveWithinMs: TEN_MINUTES_MS },
  });
  const parts = [
    { name: 'edge', status: status(2000) },
    { name: 'inner', status: status(1000) },
  ];

  const proofs = proofsOfAll(parts, [settings('edge', ['h:1']), settings('inner', ['h:2', 'h:3'])]);

  assert.deepEqual(proofs, { spanMs: 4000 * 260, unproven: 2 });
});
