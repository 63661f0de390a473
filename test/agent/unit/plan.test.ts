import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PlanInput, plan } from '../../../agent/plan.ts';
import { haproxy, now, place, wanted } from '../support/plan-fixtures.ts';
import { rows } from '../support/plan-rows.ts';

for (const row of rows) {
  test(`plan: ${row.says} → ${row.expect?.[0] ?? 'nothing'}`, () => {
    const input: PlanInput = {
      wanted: row.wanted ?? [wanted],
      disk: new Map(row.disk ? [['shop.pem', row.disk]] : []),
      haproxy: 'haproxy' in row ? row.haproxy : haproxy([place({})]),
      records: row.record ? { 'shop.pem': row.record } : {},
      handshakes: row.handshakes ?? ['127.0.0.1:443'],
      now,
    };

    const actions = plan(input);

    assert.equal(actions[0]?.kind, row.expect?.[0]);
    if (row.expect) assert.match(actions[0]?.reason ?? '', row.expect[1]);
    assert.equal(actions.length, row.expect ? 1 : 0);
  });
}
