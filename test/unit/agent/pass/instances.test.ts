import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pidIn } from '../../../../agent/pass/instances.ts';

const settings = (name?: string) => ({
  haproxy: { statsSocket: '/run/a.sock', ...(name === undefined ? {} : { name }) } as Parameters<
    typeof pidIn
  >[1]['haproxy'],
});

test('several HAProxy: an instance without a status does not get the Pid of the next', () => {
  const handshake: string[] = [];
  const status = { haproxy: [{ name: 'inner', socket: '/run/b.sock', pid: 7, handshake }] };

  assert.deepEqual([pidIn(status, settings('edge')), pidIn(status, settings('inner'))], [undefined, 7]);
});

test('the only HAProxy is found by its socket: once another socket is configured, the old Pid means nothing', () => {
  const handshake: string[] = [];

  assert.equal(pidIn({ haproxy: [{ socket: '/run/a.sock', pid: 7, handshake }] }, settings()), 7);
  assert.equal(pidIn({ haproxy: [{ socket: '/run/b.sock', pid: 7, handshake }] }, settings()), undefined);
});
