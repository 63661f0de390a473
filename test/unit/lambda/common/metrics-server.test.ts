import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListenAddress } from '#common/net/listen.ts';
import { LOOPBACK_ADDRESS, startMetricsServer } from '#common/prometheus/metrics-server.ts';

test('GET /metrics gives the figures, 503 before there are any; nothing else is there', async (t) => {
  let text: string | undefined;
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0 }, async () => text);
  t.after(server.stop);
  const url = `http://${server.address}`;

  assert.equal((await fetch(`${url}/metrics`)).status, 503);
  text = 'pemfleet_agent_info 1\n';
  const answer = await fetch(`${url}/metrics?x=1`);
  assert.deepEqual([answer.status, await answer.text()], [200, text]);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.equal((await fetch(`${url}/`)).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })).status, 405);
});

for (const [text, address] of [
  ['127.0.0.1:9845', { host: '127.0.0.1', port: 9845 }],
  ['[::1]:9845', { host: '::1', port: 9845 }],
] as const) {
  test(`${text} is an address to listen at`, () => {
    assert.deepEqual(parseListenAddress(text), address);
    assert.match(text, LOOPBACK_ADDRESS);
  });
}

for (const text of [
  '0.0.0.0:9845',
  '10.0.0.1:9845',
  '9845',
  '127.0.0.1',
  'example.com:80',
  '127.0.0.1.example.com:80',
]) {
  test(`${text} is not this machine's alone`, () => {
    assert.doesNotMatch(text, LOOPBACK_ADDRESS);
  });
}
