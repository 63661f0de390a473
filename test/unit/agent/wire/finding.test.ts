import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { HandshakeFailed } from '../../../../agent/errors.ts';
import { examineWire } from '../../../../agent/wire/finding.ts';
import type { Listeners } from '../../../../agent/wire/listeners.ts';
import { OriginFinder } from '../../../../agent/wire/origin.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('an agent that sees no sockets suspects nobody of what HAProxy itself hands out, and accuses nobody else', async (t) => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const target = { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, servername: 'shop.test' };
  const { leafPem } = await (await createPki()).issue({ names: ['shop.test'] });
  const shown = new X509Certificate(leafPem);
  const error = new HandshakeFailed('ERR_HANDSHAKE_CERTIFICATE', target, 'wanted serial 0A, saw 0B', {
    shown,
  });
  const listeners: Listeners = {
    sockets: 2,
    known: [],
    suspects: [{ pid: 20, name: 'haproxy', relation: 'other' }],
  };
  const certificate = { filename: '/c/aaa.pem', status: 'Used', serial: shown.serialNumber } as const;
  const finderOf = (isLoaded: boolean) =>
    new OriginFinder({
      runtime: {
        showCertificateNames: async () => (isLoaded ? ['/c/aaa.pem'] : []),
        showCertificates: async (names) =>
          new Map(
            names.map((name) => [
              name,
              { ...certificate, notAfter: undefined, sha1Fingerprint: undefined, chainLength: undefined },
            ]),
          ),
      },
      haproxy: { files: new Map() },
      certsDir: tempDir(t),
    });
  const check = () => assert.fail('the bind refuses');
  const examine = (isLoaded: boolean) =>
    examineWire(
      error,
      { target, kind: 'any', check },
      { finder: finderOf(isLoaded), listenersOn: async () => listeners, now: new Date(0) },
    );

  const [loaded, unknown] = [await examine(true), await examine(false)];

  assert.equal(loaded.wire?.listener, undefined);
  assert.match(loaded.message, /HAProxy has it as \/c\/aaa\.pem, which is not the agent's/);
  assert.equal(unknown.wire?.listener, 'perhaps pid 20 (haproxy)');
  assert.match(
    unknown.message,
    /another process listens there, perhaps pid 20 \(haproxy\); "ss -ltnp" as root/,
  );
});
