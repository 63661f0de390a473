/** A later run of adopt finds what it needs in agent.yaml, and takes nothing for it that only contains it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingIn } from '../../../../lambda/adopt/plan/in-force.ts';
import { agentDocument } from '../../../../lambda/init/documents.ts';

const written = agentDocument(
  {
    ...{ by: 'adopt', bucket: 'file:///var/lib/pemfleet', certsDir: '/etc/haproxy/certs2' },
    ...{ statsSocket: '/run/haproxy/admin.sock', handshake: ['127.0.0.1:4430', '[::1]:443'] },
    ...{ pemGroup: undefined, haproxyProgram: undefined },
    paths: { host: '/etc/haproxy/certs2', haproxy: '/etc/haproxy/tls' },
  },
  undefined,
);

for (const [says, text, wanted, missing] of [
  ['as adopt wrote it', written, ['/etc/haproxy/certs2', '/etc/haproxy/tls', '[::1]:443'], []],
  ['the directory of a longer name', written, ['/etc/haproxy/certs'], ['/etc/haproxy/certs']],
  ['another port', written, ['127.0.0.1:443'], ['127.0.0.1:443']],
  ['in a comment', '# certsDir: /certs\nhaproxy: {}\n', ['/certs'], ['/certs']],
  ['with a slash at its end', 'haproxy: { certsDir: /certs/ }\n', ['/certs'], []],
  ['no YAML', 'haproxy: [', ['/certs'], ['/certs']],
] as const) {
  test(`agent.yaml: ${says}`, () => {
    assert.deepEqual(missingIn(text, wanted), missing);
  });
}
