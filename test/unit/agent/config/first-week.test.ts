/** What people get wrong in their first week with agent.yaml: each row's whole message. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigError } from '#common/config-error.ts';
import { loadAgentConfig } from '../../../../agent/config/config.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const file = join(makeTempDir().path, 'agent.yaml');
const good = 'bucket: file:///b\nfleet: edge\n';

async function refusalOf(text: string | Uint8Array, sources: { env?: object; flags?: object } = {}) {
  writeFileSync(file, text);
  const request = { env: { ...sources.env }, flags: { config: file, ...sources.flags }, hostname: 'lb1' };
  const error = await loadAgentConfig(request).then(
    () => assert.fail('it was accepted'),
    (refused: ConfigError) => refused,
  );
  assert.equal(error.code, 'ERR_CONFIG', `${error}`);
  return error.message.replaceAll(file, 'agent.yaml').split('\n');
}

const ROWS: [says: string, text: string, faults: string[]][] = [
  [
    'a socket at the top',
    `${good}socket: /run/haproxy/admin.sock\n`,
    ['agent.yaml:3:1: socket: unknown key; did you mean haproxy.statsSocket?'],
  ],
  [
    'fleets in place of fleet',
    'bucket: file:///b\nfleets: [edge]\n',
    ['agent.yaml:2:1: fleets: unknown key; did you mean fleet? A host belongs to one'],
  ],
  [
    'a typo in haproxy',
    `${good}haproxy:\n  certDir: /c\n`,
    ['agent.yaml:4:3: haproxy.certDir: unknown key; did you mean certsDir?'],
  ],
  [
    'an interval with a unit',
    `${good}pollInterval: 1m\n`,
    ['agent.yaml:3:15: pollInterval: wanted a number, saw "1m": write a number without a unit'],
  ],
  [
    'a key of pemfleet.yaml',
    `${good}certificates: []\n`,
    ['agent.yaml:3:1: certificates: unknown key; it belongs into pemfleet.yaml, the file of the issuer'],
  ],
  [
    'a plain path for a bucket',
    'bucket: /srv/bucket\nfleet: edge\n',
    ['agent.yaml:1:9: bucket: wanted a URL with an absolute path: file:///srv/bucket; saw "/srv/bucket"'],
  ],
  [
    'a fleet in capitals',
    'bucket: file:///b\nfleet: Edge\n',
    [
      'agent.yaml:2:8: fleet: must match [a-z0-9_][a-z0-9._-]* (it becomes a file name and a key); saw "Edge"',
    ],
  ],
  [
    'a fleet that is a number',
    'bucket: file:///b\nfleet: 007\n',
    ['agent.yaml:2:8: fleet: wanted a string, saw the number 007: put it in quotes, "007"'],
  ],
  [
    'a bind without its port',
    `${good}haproxy: { handshake: [127.0.0.1] }\n`,
    [
      'agent.yaml:3:24: haproxy.handshake[0]: must be HOST:PORT, such as 127.0.0.1:443, or unix@/PATH or abns@NAME; for a bind with accept-proxy, proxy@HOST:PORT or { address: HOST:PORT, proxy: true }; saw "127.0.0.1"',
    ],
  ],
  [
    "YAML 1.1's yes",
    `${good}haproxy: { placeholder: yes }\n`,
    ['agent.yaml:3:25: haproxy.placeholder: wanted true or false, saw "yes": write true, without quotes'],
  ],
  [
    'yes in place of true',
    `${good}haproxy: { placeholder: maybe }\n`,
    ['agent.yaml:3:25: haproxy.placeholder: wanted true or false, saw "maybe"'],
  ],
  [
    'a mode that lets everybody read keys',
    `${good}pem: { mode: "0644" }\n`,
    [
      'agent.yaml:3:14: pem.mode: must be octal, such as "0600" or "0640", without access for others; saw "0644"',
    ],
  ],
  [
    'a reload command in one text',
    `${good}haproxy: { reload: { command: systemctl reload haproxy } }\n`,
    [
      'agent.yaml:3:31: haproxy.reload.command: wanted a list, saw "systemctl reload haproxy": write [systemctl, reload, haproxy]',
    ],
  ],
  [
    'two documents',
    `${good}---\n${good}`,
    [
      'agent.yaml:4:1: a second document begins here ("---" divides them); wanted one: put the keys of both into one',
    ],
  ],
  [
    'a tag for the environment',
    'bucket: !ENV BUCKET\nfleet: edge\n',
    ['agent.yaml:1:9: !ENV: unknown tag; nothing is taken from elsewhere by one: write the value itself'],
  ],
  [
    'a tab',
    'haproxy:\n\tcertsDir: /c\n',
    [
      'agent.yaml:2:1: not YAML: a tab; YAML takes spaces only for the indentation: put two spaces in its place',
    ],
  ],
  [
    'a key twice',
    `${good}fleet: other\n`,
    ['agent.yaml:3:1: fleet: stands twice at this place; keep one, and put what both say into it'],
  ],
  [
    'an empty file',
    '',
    [
      'agent.yaml:1:1: bucket: is missing: wanted a string. Bucket URL: s3://bucket/prefix or file:///absolute/path.',
      'agent.yaml:1:1: fleet: is missing: wanted a string. Fleet whose certificates this host serves.',
    ],
  ],
  ['a list', '- a\n', ['agent.yaml:1:1: wanted keys and values']],
  [
    'haproxy.cfg',
    'global\n    log stdout local0\nfrontend x\n    bind :80\n',
    ['agent.yaml: it is a configuration of HAProxy; wanted agent.yaml in YAML: is it the right file?'],
  ],
];

for (const [says, text, faults] of ROWS) {
  test(`first week of the agent: ${says}`, async () => {
    assert.deepEqual(await refusalOf(text), faults);
  });
}

test('first week of the agent: a flag or a variable that is wrong is named, not the file', async () => {
  const lines = await refusalOf(good, {
    flags: { fleet: 'Edge', 'poll-interval': '1m' },
    env: { PEMFLEET_AGENT_BUCKET: '/srv', PEMFLEET_AGENT_HANDSHAKE: 'a:1,b' },
  });

  assert.deepEqual(
    lines.map((line) => line.replace(/; .*$/, '')),
    [
      'PEMFLEET_AGENT_BUCKET: wanted a URL with an absolute path: file:///srv',
      '--fleet: must match [a-z0-9_][a-z0-9._-]* (it becomes a file name and a key)',
      'PEMFLEET_AGENT_HANDSHAKE: must be HOST:PORT, such as 127.0.0.1:443, or unix@/PATH or abns@NAME',
      '--poll-interval: wanted a number, saw "1m": write a number without a unit',
    ],
  );
});
