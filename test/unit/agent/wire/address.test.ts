import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { type BindAddress, parseAddress } from '../../../../agent/wire/address.ts';
import { localBindOf } from '../../../../agent/wire/connect.ts';
import { localAddressesOf } from '../../../../agent/wire/local.ts';

test('addresses as HAProxy and haproxy.handshake write them', () => {
  const tcp = (host: string, port = 443, takesProxy = false): BindAddress => ({
    kind: 'tcp',
    host,
    port,
    takesProxy,
  });
  const unix = (path: string, takesProxy = false): BindAddress => ({ kind: 'unix', path, takesProxy });
  const rows: [text: string, parsed: BindAddress | undefined][] = [
    ['127.0.0.1:443', tcp('127.0.0.1')],
    ['proxy@127.0.0.1:443', tcp('127.0.0.1', 443, true)],
    ['lb.example.com:443', tcp('lb.example.com')],
    ['*:443', tcp('127.0.0.1')],
    [':443', tcp('127.0.0.1')],
    [':::443', tcp('::')],
    ['[::]:443', tcp('::')],
    ['ipv4@192.0.2.1:443', tcp('192.0.2.1')],
    ['[fe80::1%eth0]:443', tcp('fe80::1%eth0')],
    ['[::ffff:192.0.2.1]:443', tcp('192.0.2.1')],
    ['[::ffff:c000:201]:443', tcp('192.0.2.1')],
    ['unix@/run/a.sock', unix('/run/a.sock')],
    ['proxy@unix@/run/a.sock', unix('/run/a.sock', true)],
    ['/run/a.sock', unix('/run/a.sock')],
    ['abns@a', unix(`\0a${'\0'.repeat(106)}`)],
    ['abnsz@a', unix('\0a')],
    ['192.0.2.1:1-2', undefined],
    ['192.0.2.1:65536', undefined],
    ['192.0.2.1', undefined],
    ['[192.0.2.1]:443', undefined],
    ['quic4@:443', undefined],
    ['fd@3', undefined],
    ['sockpair@3', undefined],
  ];

  assert.deepEqual(
    rows.map(([text]) => [text, parseAddress(text)]),
    rows,
  );
});

test('an address is of this machine, or it is not', async () => {
  const own = Object.values(networkInterfaces()).flatMap((some) => some?.map(({ address }) => address) ?? []);
  const local = ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::', '::1', '::ffff:127.0.0.1', ...own];
  // RFC 5737 and RFC 3849: nobody has them.
  const foreign = ['192.0.2.77', '203.0.113.1', '2001:db8::1', 'fe80::1234:5678%lo', '::ffff:203.0.113.1'];

  for (const host of local) assert.deepEqual(await localAddressesOf(host), [host]);
  for (const host of foreign) assert.deepEqual(await localAddressesOf(host), [], host);
  assert.ok((await localAddressesOf('localhost')).length > 0);
});

test('what is not here, and what no TLS client can ask, is refused before a connection', async () => {
  const reason = (address: string) =>
    localBindOf({ address, servername: undefined }).then(
      () => 'reachable',
      (error: { reason?: string }) => error.reason,
    );

  assert.equal(await reason('203.0.113.1:443'), 'not-here');
  assert.equal(await reason('proxy@[2001:db8::1]:443'), 'not-here');
  assert.equal(await reason('quic4@127.0.0.1:443'), 'not-askable');
});
