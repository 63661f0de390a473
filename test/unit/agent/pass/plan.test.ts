import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent } from '../../../../agent/agent.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { observeHaproxy } from '../../../../agent/pass/observe.ts';
import { type PlanInput, plan } from '../../../../agent/pass/plan.ts';
import {
  desired,
  haproxy,
  now,
  proofsOf,
  record,
  right,
  runtimeFile,
} from '../../../support/agent/plan-fixtures.ts';
import { rows } from '../../../support/agent/plan-rows.ts';

for (const row of rows) {
  test(`plan: ${row.says} → ${row.expect?.[0] ?? 'nothing'}`, () => {
    const records = new Map(row.record ? [['shop.pem', row.record]] : []);
    const input: PlanInput = {
      desired: row.desired ?? [desired],
      removals: new Map(row.removal ? [['shop.pem', row.removal]] : []),
      disk: new Map(row.disk ? [['shop.pem', row.disk]] : []),
      haproxy: 'haproxy' in row ? row.haproxy : haproxy([runtimeFile({})]),
      records,
      proofs: proofsOf(records),
      maxAgeMs: 600_000,
      handshakes: row.handshakes ?? ['127.0.0.1:443'],
      now,
    };

    const actions = plan(input);

    assert.equal(actions[0]?.kind, row.expect?.[0]);
    if (row.expect) assert.match(actions[0]?.reason ?? '', row.expect[1]);
    assert.equal(actions.length, row.expect ? 1 : 0);
  });
}

test('a HAProxy that is stopping (an old worker) is seen, and nothing is loaded into it', async () => {
  const answers: Record<string, string> = {
    'show info': 'Version: 3.0.11\nPid: 7\nStopping: 1',
    'show ssl crt-list': '/c',
  };
  const socket = async ({ verb, operands }: { verb: string; operands?: readonly string[] }) => {
    const text = operands === undefined ? answers[verb] : undefined;
    return {
      text: text ?? "Can't display the certificate: Not found or the certificate is a bundle!",
      severity: undefined,
      next: [],
    };
  };
  const runtime = new Runtime(socket, async () => undefined);
  const config = { haproxy: { certsDir: '/c', bufsize: 16_384 } };

  const { blocker } = await observeHaproxy(
    { runtime, config } as unknown as Agent,
    new Map([['shop.pem', []]]),
  );

  assert.equal((blocker as { code?: string }).code, 'ERR_RUNTIME_RELOADED');
});

test('without a stats socket, a file that has ended stays, and says so; gone, it is forgotten', () => {
  const planned = (disk: PlanInput['disk']) =>
    plan({
      desired: [],
      removals: new Map([['shop.pem', 'withdrawn']]),
      disk,
      haproxy: undefined,
      isWithoutSocket: true,
      records: new Map([['shop.pem', record({})]]),
      handshakes: [],
      proofs: proofsOf(new Map()),
      maxAgeMs: 600_000,
      now,
    });

  const [there, gone] = [planned(new Map([['shop.pem', right]])), planned(new Map())];

  assert.deepEqual(
    there.map(({ kind, reason }) => [kind, /withdrawn.*no stats socket.*delete the file/.test(reason)]),
    [['needs-reload', true]],
  );
  assert.deepEqual(
    gone.map(({ kind }) => kind),
    ['forget'],
  );
});
