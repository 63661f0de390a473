import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startDns } from '../../support/parts/dns.ts';

test('DNS answers A queries over TCP, and no AAAA queries', async (t) => {
  const dns = await startDns({ ipv4: '127.0.0.1' });
  t.after(dns.stop);
  await dns.addHost('b.test', '127.0.0.7');

  assert.deepEqual(await resolveByTcp(dns.address, 'a.test', 1), [[127, 0, 0, 1]]);
  assert.deepEqual(await resolveByTcp(dns.address, 'b.test', 1), [[127, 0, 0, 7]]);
  assert.deepEqual(await resolveByTcp(dns.address, 'a.test', 28), []);
});

/** The data of the answers (RFC 1035 §4); Node's own resolver begins by UDP. */
async function resolveByTcp(address: string, name: string, type: number): Promise<number[][]> {
  const [host, port] = address.split(':');
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const question = [...labels, 0, 0, type, 0, 1];
  const message = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...question];
  const socket = connect({ host: host as string, port: Number(port) });
  socket.write(Buffer.from([0, message.length, ...message]));
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  const count = chunk.readUInt16BE(2 + 6);
  // each answer: the name in full, type, class, TTL (8), length (2), an IPv4 address
  const first = 2 + 12 + question.length;
  const [toData, size] = [labels.length + 1 + 10, labels.length + 1 + 14];
  return Array.from({ length: count }, (_, index) => [
    ...chunk.subarray(first + index * size + toData, first + (index + 1) * size),
  ]);
}
