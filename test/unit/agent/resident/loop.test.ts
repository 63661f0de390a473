import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pidIn } from '../../../../agent/resident/loop.ts';

const settings = (name?: string) => ({
  haproxy: { statsSocket: '/run/a.sock', ...(name === undefined ? {} : { name }) } as Parameters<
    typeof pidIn
  >[1]['haproxy'],
});

test('of several HAProxy, one without a status does not lend its place to the next', () => {
  const handshake: string[] = [];
  const status = { haproxy: [{ name: 'inner', socket: '/run/b.sock', pid: 7, handshake }] };

  assert.deepEqual([pidIn(status, settings('edge')), pidIn(status, settings('inner'))], [undefined, 7]);
});

test('the only HAProxy is known by its socket: after another was configured, the old Pid means nothing', () => {
  const handshake: string[] = [];

  assert.equal(pidIn({ haproxy: [{ socket: '/run/a.sock', pid: 7, handshake }] }, settings()), 7);
  assert.equal(pidIn({ haproxy: [{ socket: '/run/b.sock', pid: 7, handshake }] }, settings()), undefined);
});
