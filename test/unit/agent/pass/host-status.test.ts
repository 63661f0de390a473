// The host status: of what has not changed, the objects of the status before it; all of it says what a status made anew says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import type { AgentConfig } from '../../../../agent/config/config.ts';
import {
  doneOutcome,
  failedOutcome,
  NOTHING_DEPLOYED,
  type Outcome,
} from '../../../../agent/deploy/action.ts';
import { RuntimeCommandFailed } from '../../../../agent/errors.ts';
import { hostStatusOf } from '../../../../agent/pass/host-status.ts';
import { desired } from '../../../support/agent/plan-fixtures.ts';
import { randomFrom } from '../../../support/random.ts';

const [fleet, host] = [fleetName.parse('edge'), hostName.parse('lb1')];
const config = { fleet, host, haproxy: { statsSocket: '/s', handshake: [] } } as unknown as AgentConfig;
const refused = new RuntimeCommandFailed('ERR_RUNTIME_REFUSED', { verb: 'commit ssl cert' }, 'refused');
const [sha, otherSha] = ['a'.repeat(64), 'b'.repeat(64)];

const WAYS = ['kept', 'renewed', 'failed', 'overlaps', 'unlisted', 'listed otherwise'] as const;

function outcomeOf(index: number, way: (typeof WAYS)[number]): Outcome {
  const file = `c${String(index).padStart(3, '0')}.pem`;
  const one = {
    ...desired,
    ...{ file, sha256: way === 'renewed' ? otherSha : sha },
    ...(way === 'overlaps' && { shadows: [{ name: 'x.test', by: 'x.pem', why: 'newer' }] }),
    ...(way === 'unlisted' && { isUnlisted: true as const, receipt: 'r' }),
    ...(way === 'listed otherwise' && { lineProblem: 'a tab' }),
  };
  const action = { kind: 'keep', file, certificate: one.certificate, reason: 'r', desired: one } as const;
  const whole = { ...action, isProvedLast: false };
  if (way === 'failed') return failedOutcome(whole, refused);
  return doneOutcome(whole, { ...NOTHING_DEPLOYED, isWritten: way === 'renewed' });
}

const statusAt = (ways: readonly (typeof WAYS)[number][], previous: HostStatus | undefined, minute: number) =>
  hostStatusOf({
    ...{
      config,
      agentVersion: '1',
      taken: {},
      conditions: [],
      haproxy: undefined,
      error: undefined,
      drift: undefined,
    },
    ...{ outcomes: ways.map((way, index) => outcomeOf(index, way)), previous, records: new Map() },
    disk: new Map(
      ways.map((_, index) => [outcomeOf(index, 'kept').action.file, { sha256: sha, isGuarded: true }]),
    ),
    now: new Date(Date.UTC(2026, 10, 28, 12, minute)),
  });

/** As another process has it, and with a member that makes each of them another. */
const withoutObjects = (status: HostStatus): HostStatus => {
  const copy = JSON.parse(JSON.stringify(status)) as HostStatus;
  return { ...copy, files: copy.files.map((file) => ({ ...file, extra: 1 }) as FileStatus) };
};

test('random changes: a status has the former objects of what is the same, and says what one made anew says', () => {
  const random = randomFrom(1404);
  let ways: (typeof WAYS)[number][] = Array.from({ length: 60 }, () => 'kept');
  let previous = statusAt(ways, undefined, 0);
  for (let minute = 1; minute < 60; minute += 1) {
    const at = Math.floor(random() * ways.length);
    ways = ways.with(at, WAYS[Math.floor(random() * WAYS.length)] ?? 'kept');
    if (random() < 0.2) previous = JSON.parse(JSON.stringify(previous)) as HostStatus;

    const next = statusAt(ways, previous, minute);

    const anew = statusAt(ways, withoutObjects(previous), minute);
    assert.equal(JSON.stringify(next), JSON.stringify(anew));
    const others = next.files.filter((file, index) => file !== previous.files[index]);
    const expected = next.files.filter(
      (file, index) => JSON.stringify(file) !== JSON.stringify(previous.files[index]),
    );
    assert.deepEqual(others, expected);
    assert.ok(others.length <= 1);
    previous = next;
  }
});
