import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { chainFrom } from '../../../../agent/wire/tls-client.ts';

test('a bind that never answers: the handshake ends after 5 s', async (t) => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.mock.timers.enable({ apis: ['setTimeout'] });

  const failed = chainFrom({ address, servername: 'shop.test' }, 'any').catch((error: unknown) => error);
  const [socket] = await once(server, 'connection');
  await once(socket, 'data');
  t.mock.timers.tick(4999);
  await setImmediate();
  assert.equal(await Promise.race([failed, Promise.resolve('still waiting')]), 'still waiting');
  t.mock.timers.tick(1);

  const { code, message } = (await failed) as { code: string; message: string };
  assert.equal(code, 'ERR_HANDSHAKE_TIMEOUT');
  assert.equal(message, `handshake with ${address} for shop.test: not finished within 5000 ms`);
});
