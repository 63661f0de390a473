import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { startResponderServer } from '../../../lambda/commands/responder-server.ts';
import { respondTo } from '../../../lambda/responder.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { request } from '../../support/request.ts';

const token = 'DGyRejmCefe7v4NfDGDKfA';
const path = `/.well-known/acme-challenge/${token}`;
const bucket = memoryBucket();
await bucket.put(layout.challenge(token), `${token}.thumbprint`);
const errors: unknown[] = [];
const options = {
  host: '127.0.0.1',
  port: 0,
  respond: (event: object) => respondTo(bucket, event),
  onError: (error: unknown) => errors.push(error),
};

test('a key authorization is handed out over HTTP, with and without a query', async (t) => {
  const front = await startResponderServer(options);
  t.after(front.stop);

  for (const query of ['', '?x=1', '?a=/../..']) {
    const { status, headers, body } = await request(`http://${front.address}${path}${query}`);

    assert.deepEqual([status, body], [200, `${token}.thumbprint`]);
    assert.deepEqual(
      [headers['content-type'], headers['cache-control']],
      ['application/octet-stream', 'no-store'],
    );
  }
});

test('HEAD, other methods, unknown tokens and other paths', async (t) => {
  const front = await startResponderServer(options);
  t.after(front.stop);
  const ask = async (method: string, asked: string, body?: string) => {
    const answer = await request(`http://${front.address}${asked}`, {
      method,
      ...(body !== undefined && { body }),
    });
    return [answer.status, answer.body];
  };

  assert.deepEqual(await ask('HEAD', path), [200, '']);
  assert.deepEqual(await ask('POST', path, 'x'.repeat(100_000)), [405, 'method not allowed\n']);
  assert.deepEqual(await ask('GET', `${path.slice(0, -1)}B`), [404, 'not found\n']);
  assert.deepEqual(await ask('GET', '/'), [404, 'not found\n']);
  assert.deepEqual(await ask('GET', '/.well-known/acme-challenge/..%2f..%2fissuer'), [400, 'not a token\n']);
});

for (const line of [
  'GET /.well-known/acme-challenge/../../issuer HTTP/1.1',
  'GET  HTTP/1.1',
  'nonsense',
  'GET /\u0001 HTTP/1.1',
]) {
  test(`the raw request ${JSON.stringify(line)} is refused, and the next one is answered`, async (t) => {
    const front = await startResponderServer(options);
    t.after(front.stop);
    const [host, port] = front.address.split(':');
    const socket = connect({ host: host ?? '', port: Number(port) });
    socket.setEncoding('utf8').write(`${line}\r\nhost: a.test\r\nconnection: close\r\n\r\n`);

    let text = '';
    socket.on('data', (chunk: string) => (text += chunk));
    await once(socket, 'close');

    assert.match(text, /^HTTP\/1\.1 40[04] /);
    assert.equal((await request(`http://${front.address}${path}`)).status, 200);
  });
}

test('a failure of the responder is a 500 without a reason; onError receives the reason', async (t) => {
  const reason = new RangeError('the disk is full of secrets');
  const errors: unknown[] = [];
  const front = await startResponderServer({
    ...options,
    respond: () => Promise.reject(reason),
    onError: (error) => errors.push(error),
  });
  t.after(front.stop);

  const { status, body } = await request(`http://${front.address}${path}`);

  assert.deepEqual([status, body], [500, '']);
  assert.deepEqual(errors, [reason]);
});

test('an address that is taken is refused at the start', async (t) => {
  const front = await startResponderServer(options);
  t.after(front.stop);
  const port = Number(front.address.split(':')[1]);

  await assert.rejects(startResponderServer({ ...options, port }), { code: 'EADDRINUSE' });
});

test('stop ends connections that are kept, and frees the address', async () => {
  const front = await startResponderServer(options);
  const [host, port] = front.address.split(':');
  const socket = connect({ host: host ?? '', port: Number(port) });
  await once(socket, 'connect');
  const closed = once(
    socket.on('error', () => undefined),
    'close',
  );

  await front.stop();

  await closed;
  const again = await startResponderServer({ ...options, port: Number(port) });
  await again.stop();
});

test('nothing failed inside that was not meant to', () => {
  assert.deepEqual(errors, []);
});
