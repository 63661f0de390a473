import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { ConfigError } from '#common/config-error.ts';
import { type ConfigSources, loadAgentConfig } from '../../../../agent/config/config.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const minimal = { bucket: 'file:///b', fleet: 'edge' };
const folder = makeTempDir().path;

/** The first-week table has the places. */
const withoutPlaces = ({ message }: Error) => message.replaceAll(/^\S+agent\.yaml:\d+:\d+: /gm, '');

function load(settings: object, { flags }: Partial<ConfigSources> = {}) {
  const config = join(folder, 'agent.yaml');
  writeFileSync(config, stringify(settings));
  return loadAgentConfig({ flags: { config, ...flags }, env: {}, hostname: 'lb1' });
}

const refusals: [string, object, RegExp][] = [
  [
    'a list of HAProxy, one without a name, one with a typo',
    { ...minimal, haproxy: [{ certsDir: '/c' }, { name: 'inner', certDir: '/d' }] },
    /^haproxy\[0\]\.name: is missing: wanted a string\. Its name in the status, .*\nhaproxy\[1\]\.certDir: unknown key; did you mean certsDir\?$/,
  ],
  [
    'a reload command that is one string for a shell',
    { ...minimal, haproxy: { reload: { command: 'systemctl reload haproxy' } } },
    /^haproxy\.reload\.command: wanted a list, saw "systemctl reload haproxy": write \[systemctl, reload, haproxy\]$/,
  ],
  [
    'a directory that cannot stand in a crt-list',
    { ...minimal, haproxy: { certsDir: '/c d', crtListFile: '/l' } },
    /^haproxy\.certsDir: must not hold spaces/,
  ],
  [
    'a crt-list file that HAProxy cannot read the name of',
    { ...minimal, haproxy: { crtListFile: '/l [x]' } },
    /^haproxy\.crtListFile: must be an absolute path without spaces/,
  ],
  [
    'a bind to prove that is neither address nor key',
    {
      ...minimal,
      haproxy: {
        handshake: ['proxy:443:1', { address: 'proxy@h:1', proxy: true }, { address: 'h:1', proxi: true }],
      },
    },
    /^haproxy\.handshake\[0\]: .*\nhaproxy\.handshake\[1\].*\nhaproxy\.handshake\[2\]/,
  ],
  [
    'two of one name',
    { ...minimal, haproxy: [{ name: 'a' }, { name: 'a' }] },
    /^haproxy: two have the same name$/,
  ],
];

for (const [says, settings, message] of refusals) {
  test(`refused: ${says}`, async () => {
    await assert.rejects(load(settings), (error: ConfigError) => {
      assert.equal(error.code, 'ERR_CONFIG');
      assert.match(withoutPlaces(error), message);
      return true;
    });
  });
}

test('a list of HAProxy: each with its own settings and defaults; the first stands for the host', async () => {
  const config = await load({
    ...minimal,
    haproxy: [{ name: 'edge' }, { name: 'inner', handshake: ['[::1]:1'] }],
  });

  assert.deepEqual(
    config.instances.map(({ name, handshake }) => [name, handshake]),
    [
      ['edge', ['127.0.0.1:443']],
      ['inner', ['[::1]:1']],
    ],
  );
  assert.deepEqual(config.haproxy, config.instances[0]);
});

test('a bind that expects a PROXY header: in YAML by a key, everywhere by a prefix', async () => {
  const handshake = [
    '[::1]:1',
    'proxy@127.0.0.1:2',
    { address: '127.0.0.1:3', proxy: true },
    { address: 'h:4', proxy: false },
  ];
  const inFile = await load({ ...minimal, haproxy: { handshake } });
  const byFlag = await load(minimal, { flags: { handshake: 'proxy@127.0.0.1:2,h:4' } });

  assert.deepEqual(inFile.haproxy.handshake, ['[::1]:1', 'proxy@127.0.0.1:2', 'proxy@127.0.0.1:3', 'h:4']);
  assert.deepEqual(byFlag.haproxy.handshake, ['proxy@127.0.0.1:2', 'h:4']);
});

test('binds are named as HAProxy names them: sockets, zones, wildcards', async () => {
  const handshake = [
    'unix@/run/tls.sock',
    'proxy@unix@/run/tls.sock',
    'abns@inner',
    '[fe80::1%eth0]:443',
    '*:443',
  ];

  const config = await load({ ...minimal, haproxy: { handshake } });

  assert.deepEqual(config.haproxy.handshake, handshake);
  for (const wrong of ['quic4@:443', 'unix@relative', 'fd@3', '127.0.0.1:1-2', 'abns@']) {
    await assert.rejects(load({ ...minimal, haproxy: { handshake: [wrong] } }), /must be HOST:PORT/, wrong);
  }
});

test('a flag cannot say which HAProxy of a list it means', async () => {
  const list = { ...minimal, haproxy: [{ name: 'edge' }] };

  await assert.rejects(
    load(list, { flags: { 'certs-dir': '/c' } }),
    /haproxy: is a list in the file; certsDir/,
  );
});
