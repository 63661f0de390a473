// What a unit may not write to, by its properties: doctor runs outside of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProperties, writeBar } from '#common/systemd/unit-view.ts';

const STRICT =
  'ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nStateDirectory=pemfleet pemfleet-agent';
const AGENT = `${STRICT}\nReadWritePaths=/etc/haproxy/certs -/var/lib/node_exporter\nInaccessiblePaths=-/var/lib/pemfleet/bucket/issuer`;

const ROWS: readonly [says: string, properties: string, path: string, bar: string | undefined][] = [
  ['a directory beside the one that the unit names', AGENT, '/etc/haproxy/pemfleet', 'ProtectSystem=strict'],
  ['the one that it names', AGENT, '/etc/haproxy/certs', undefined],
  ['what is below it', AGENT, '/etc/haproxy/certs/shop', undefined],
  ['one whose name only begins like it', AGENT, '/etc/haproxy/certs2', 'ProtectSystem=strict'],
  ['one that may be missing', AGENT, '/var/lib/node_exporter', undefined],
  ['a state directory', AGENT, '/var/lib/pemfleet-agent', undefined],
  [
    "the issuer's keys",
    AGENT,
    '/var/lib/pemfleet/bucket/issuer',
    'InaccessiblePaths=-/var/lib/pemfleet/bucket/issuer',
  ],
  ['a home', AGENT, '/home/lb/certs', 'ProtectHome=yes'],
  ['/tmp: the unit has its own', AGENT, '/tmp/certs', 'PrivateTmp=yes'],
  ['/tmp, bound', `${AGENT}\nBindPaths=/tmp/certs:/tmp/certs:rbind`, '/tmp/certs', undefined],
  ['/etc, where only /usr and /boot are shut', 'ProtectSystem=yes', '/etc/haproxy/certs', undefined],
  ['/etc, with ProtectSystem=full', 'ProtectSystem=full', '/etc/haproxy/certs', 'ProtectSystem=full'],
  ['/srv, with ProtectSystem=full', 'ProtectSystem=full', '/srv/certs', undefined],
  ['one that a drop-in opens', 'ProtectSystem=full\nReadWritePaths=/etc/x', '/etc/x/certs', undefined],
  [
    'one with spaces',
    'ProtectSystem=strict\nReadWritePaths="/srv/my certs" -/srv/b',
    '/srv/my certs',
    undefined,
  ],
  [
    'one with an escaped space',
    'ProtectSystem=strict\nReadWritePaths=/srv/my\\x20certs',
    '/srv/my certs',
    undefined,
  ],
  ['read-only by name', 'ReadOnlyPaths=/srv', '/srv/certs', 'ReadOnlyPaths=/srv'],
  [
    'a unit without restrictions',
    'ProtectSystem=no\nProtectHome=no\nPrivateTmp=no',
    '/home/certs',
    undefined,
  ],
  ['no unit', '', '/etc/haproxy/certs', undefined],
];

for (const [says, properties, path, bar] of ROWS) {
  test(`${says}: ${bar ?? 'may be written'}`, () => {
    assert.equal(writeBar(parseProperties(properties), path), bar);
  });
}
