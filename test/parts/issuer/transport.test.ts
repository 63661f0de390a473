/** One exchange with a server that does what happened to somebody. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { messageOf } from '#contract/errors.ts';
import { createTransport, type TransportOptions } from '../../../lambda/acme/transport.ts';
import { createPki } from '../../support/parts/pki.ts';
import { freePort } from '../../support/ports.ts';

const [pki, strangers] = await Promise.all([createPki(), createPki()]);
const { combined } = await pki.issue({ names: ['127.0.0.1'] });

async function serve(
  t: TestContext,
  listener: RequestListener,
  { port = 0, ...options }: Partial<TransportOptions> & { port?: number } = {},
) {
  const server = createServer({ key: combined, cert: combined }, listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { exchange, allowsPrivate, close } = createTransport({
    userAgent: 'pemfleet/test',
    ca: pki.rootPem,
    timeoutMs: 5_000,
    ...options,
  });
  t.after(async () => {
    close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  const url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/x`;
  return { url, exchange, allowsPrivate, close };
}

test('an exchange is a request with our name, and the answer as it came', async (t) => {
  const seen: unknown[] = [];
  const told: unknown[] = [];
  const { url, exchange } = await serve(
    t,
    (request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        seen.push([request.method, request.headers['user-agent'], request.headers['content-type'], body]);
        response.setHeader('link', ['<a>;rel="up"', '<b>;rel="alternate"']);
        response.writeHead(201, { 'content-type': 'application/json; charset=utf-8' }).end('{"status":"ok"}');
      });
    },
    { onExchange: (exchanged) => told.push(exchanged) },
  );

  const response = await exchange('POST', url, { payload: 'ü' });

  assert.deepEqual(seen, [['POST', 'pemfleet/test', 'application/jose+json', '{"payload":"ü"}']]);
  assert.deepEqual([response.status, response.data], [201, { status: 'ok' }]);
  assert.equal(response.headers['link'], '<a>;rel="up", <b>;rel="alternate"');
  assert.deepEqual(told, [{ method: 'POST', url, status: 201 }]);
});

test('what is not declared as JSON is text; a problem document is JSON; nothing is nothing', async (t) => {
  const types: [string, string][] = [
    ['text/html', '{"a":1}'],
    ['application/problem+json', '{"type":"t"}'],
    ['application/json', ''],
  ];
  const { url, exchange } = await serve(t, (_, response) => {
    const [type = '', body] = types.shift() ?? [];
    response.writeHead(503, { 'content-type': type }).end(body);
  });

  const data = [await exchange('GET', url), await exchange('GET', url), await exchange('GET', url)].map(
    (response) => response.data,
  );

  assert.deepEqual(data, ['{"a":1}', { type: 't' }, '']);
});

const FAULTS: [
  says: string,
  listener: RequestListener,
  options: Partial<TransportOptions>,
  message: RegExp,
][] = [
  ['a server that never answers', () => undefined, { timeoutMs: 300 }, /no whole answer within 300 ms/],
  [
    'a server that hangs in the middle of the body',
    (_, response) => response.writeHead(200).write('half'),
    { timeoutMs: 300 },
    /no whole answer within 300 ms/,
  ],
  [
    'a body that drips for ever',
    (_, response) => void setInterval(() => response.write('.'), 20).unref(),
    { timeoutMs: 300 },
    /no whole answer within 300 ms/,
  ],
  [
    'a body without a length that is whole JSON, and a connection that stays',
    (_, response) => {
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
      response.write('{"status":"valid"}');
    },
    { timeoutMs: 300 },
    /no whole answer within 300 ms/,
  ],
  [
    'a connection that is reset, as one is by a CA that speaks HTTP/2 only',
    (request) => request.socket.destroy(),
    {},
    /ECONNRESET, closed without an answer: does it speak HTTP\/1\.1\?$/,
  ],
  [
    'a connection that is reset in the middle of the body',
    (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('half');
      setImmediate(() => request.socket.destroy());
    },
    {},
    /ECONNRESET|aborted/,
  ],
  [
    'a body that is too large',
    (_, response) => response.writeHead(200).end('x'.repeat(2_000)),
    { maxBytes: 1_000 },
    /at most 1000 bytes, saw more/,
  ],
  [
    'JSON that is broken',
    (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"status": secret'),
    {},
    /HTTP \d{3}, and the body is not the JSON that it is declared to be/,
  ],
  [
    'HTML that is declared as a problem document',
    (_, response) =>
      response.writeHead(502, { 'content-type': 'application/problem+json' }).end('<html>secret'),
    {},
    /not the JSON/,
  ],
  ['an answer that is no HTTP', (request) => request.socket.end('secret\r\n\r\n'), {}, /HPE_|ECONNRESET/],
  [
    'a CA that we do not trust',
    () => undefined,
    { ca: strangers.rootPem },
    /UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY|CERT_SIGNATURE/,
  ],
];

for (const [says, listener, options, message] of FAULTS) {
  test(`${says} is ERR_ACME_UNREACHABLE, in time, and nothing of the body is quoted`, async (t) => {
    const { url, exchange } = await serve(t, listener, options);
    const began = performance.now();

    await assert.rejects(exchange('POST', url, { secret: 'mine' }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_ACME_UNREACHABLE');
      assert.ok(error.message.startsWith(`POST ${url}: `), error.message);
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.stack} ${(error.cause as Error | undefined)?.message}`, /secret|mine/);
      return true;
    });
    assert.ok(performance.now() - began < 2_500);
  });
}

for (const [says, url, message] of [
  ['nobody listens', async () => `https://127.0.0.1:${await freePort()}/`, /ECONNREFUSED/],
  ['there is no TLS', async () => 'http://127.0.0.1:1/', /ERR_INVALID_PROTOCOL/],
  ['there is no address', async () => 'not a URL', /ERR_INVALID_URL/],
] as const) {
  test(`an address where ${says} is ERR_ACME_UNREACHABLE`, async () => {
    const { exchange, close } = createTransport({ userAgent: 'pemfleet/test' });

    await assert.rejects(exchange('GET', await url()), { code: 'ERR_ACME_UNREACHABLE', message });

    close();
  });
}

test('a name that the certificate of the server does not carry is ERR_ACME_UNREACHABLE', async (t) => {
  const { url, exchange } = await serve(t, () => undefined);

  await assert.rejects(exchange('GET', url.replace('127.0.0.1', 'localhost')), {
    code: 'ERR_ACME_UNREACHABLE',
    message: /ALTNAME/,
  });
});

test('the connection is kept for the next exchange', async (t) => {
  const ports = new Set<number | undefined>();
  const { url, exchange } = await serve(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.end();
  });

  for (let round = 0; round < 3; round += 1) await exchange('GET', url);

  assert.equal(ports.size, 1);
});

test('what a public CA names is asked at public addresses only: nothing connects', async (t) => {
  let connections = 0;
  const { url, exchange } = await serve(t, (_, response) => response.end(), {
    directoryUrl: 'https://ca.example/directory',
  });
  const { port } = new URL(url);
  const count = () => (connections += 1);
  t.after(() => assert.equal(connections, 0));
  const listener = createTcp(count).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port: open } = listener.address() as AddressInfo;

  const rows = [
    url,
    `https://localhost:${port}/x`,
    `https://[::ffff:127.0.0.1]:${port}/`,
    `https://127.0.0.1:${open}/`,
    'https://127.0.0.1/',
    'https://localhost/',
    'https://169.254.169.254/latest/api/token',
    'https://[fd00:ec2::254]/',
    'https://10.0.0.1/',
    'https://0x7f000001/',
    'https://example.com:6443/',
    'https://user:secret@example.com/',
  ];
  for (const named of rows) {
    await assert.rejects(exchange('GET', named), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_ACME_UNREACHABLE', named);
      assert.match(error.message, /not asked: .*(wanted)/, named);
      return true;
    });
  }
});

test('a CA of a private network may name what is there, but no metadata service', async (t) => {
  const configured = await serve(t, (_, response) => response.end(), {
    ...{ directoryUrl: 'https://ca.example/directory', isPrivate: true },
  });
  assert.equal((await configured.exchange('GET', configured.url)).status, 200);
  await assert.rejects(configured.exchange('GET', 'https://169.254.169.254/'), /not asked/);
  await assert.rejects(configured.exchange('GET', 'https://[fd00:ec2::254]/'), /not asked/);

  // Where its directory is shows it, too.
  const port = await freePort();
  const shown = await serve(t, (_, response) => response.end(), {
    ...{ port, directoryUrl: `https://127.0.0.1:${port}/directory` },
  });
  await assert.rejects(shown.exchange('GET', shown.url), /not asked/);
  assert.equal(shown.allowsPrivate(), false);
  assert.equal((await shown.exchange('GET', `https://127.0.0.1:${port}/directory`)).status, 200);
  assert.equal((await shown.exchange('GET', shown.url)).status, 200);
  assert.equal(shown.allowsPrivate(), true);

  // acme.allowPrivate: false says that it may not, wherever it is.
  const other = await freePort();
  const refused = await serve(t, (_, response) => response.end(), {
    ...{ port: other, directoryUrl: `https://127.0.0.1:${other}/directory`, isPrivate: false },
  });
  assert.equal((await refused.exchange('GET', `https://127.0.0.1:${other}/directory`)).status, 200);
  await assert.rejects(refused.exchange('GET', refused.url), /not asked/);
});

test('the message names the cure where there is one, and once', async (t) => {
  const directoryUrl = 'https://ca.example/directory';
  const { exchange } = await serve(t, (_, response) => response.end(), { directoryUrl });
  const { exchange: withPrivate } = await serve(t, (_, response) => response.end(), {
    ...{ directoryUrl, isPrivate: true },
  });
  const cure = '; a CA of a private network needs acme.allowPrivate: true';
  const rows: [exchange: typeof withPrivate, url: string, says: string][] = [
    [exchange, 'https://10.0.0.1/', `wanted a public address, saw 10.0.0.1${cure}`],
    [exchange, 'https://a.example:14000/', `wanted port 80 or 443, saw 14000 of a.example${cure}`],
    [exchange, 'https://169.254.169.254/', 'wanted a public address, saw 169.254.169.254'],
    [
      withPrivate,
      'https://169.254.169.254/',
      'wanted a public address, or one of a private network, saw 169.254.169.254',
    ],
    [exchange, 'https://u:p@b.example/', 'wanted a URL without user and password, saw one of b.example'],
  ];
  for (const [ask, url, says] of rows) {
    await assert.rejects(ask('GET', url), (error: Error) => {
      assert.equal(messageOf(error), `GET ${url}: not asked: ${says}`);
      return true;
    });
  }
});

test('a redirect is an answer, and is not followed', async (t) => {
  const asked: string[] = [];
  const { url, exchange } = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(302, { location: '/elsewhere' }).end();
  });

  assert.equal((await exchange('GET', url)).status, 302);
  assert.deepEqual(asked, ['/x']);
});
