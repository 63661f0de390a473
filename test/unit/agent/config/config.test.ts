import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { type ConfigSources, loadAgentConfig } from '../../../../agent/config/config.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const minimal = { bucket: 'file:///b', fleet: 'edge' };
const folder = makeTempDir().path;

/** The first-week table has the places. */
const withoutPlaces = ({ message }: Error) => message.replaceAll(/^\S+agent\.yaml:\d+:\d+: /gm, '');

function load(settings: unknown, sources: Partial<ConfigSources> = {}) {
  const config = join(folder, 'agent.yaml');
  writeFileSync(config, typeof settings === 'string' ? settings : stringify(settings));
  const flags = { config, ...sources.flags };
  return loadAgentConfig({ flags, env: sources.env ?? {}, hostname: sources.hostname ?? 'LB1.Example.com' });
}

test('defaults: Debian paths, mode 0600, a poll a minute, proof on 127.0.0.1:443, the host name in lower case', async () => {
  const config = await load(minimal);

  assert.deepEqual(config, {
    bucket: 'file:///b',
    fleet: 'edge',
    host: 'lb1.example.com',
    haproxy: {
      statsSocket: '/run/haproxy/admin.sock',
      certsDir: '/etc/haproxy/certs',
      handshake: ['127.0.0.1:443'],
      program: 'haproxy',
      bufsize: 16_384,
      placeholder: false,
    },
    instances: [],
    pem: { mode: 0o600, uid: undefined, gid: undefined },
    metrics: {},
    hooks: { timeoutSeconds: 30 },
    pollIntervalMs: 60_000,
    watch: { lookWithinMs: 60_000, proveWithinMs: 600_000 },
    stateDir: '/var/lib/pemfleet-agent',
    trust: {},
  });
});

test('every key can be set, and gets its final type', async () => {
  const config = await load({
    bucket: 'file:///srv/bucket',
    fleet: 'edge',
    host: 'lb2',
    haproxy: {
      statsSocket: '/s',
      certsDir: '/c',
      crtListFile: '/c/list.txt',
      crtList: '/jail/c',
      program: '/opt/haproxy/sbin/haproxy',
      paths: { host: '/c', haproxy: '/jail/c' },
      reload: { command: ['systemctl', 'reload', 'haproxy'], window: 60 },
      handshake: ['127.0.0.1:8443', '[::1]:443'],
      bufsize: 65_536,
      pace: 10,
      placeholder: true,
    },
    pem: { mode: '0640', owner: 'root', group: 0 },
    metrics: { textfile: '/m.prom' },
    pollInterval: 5,
    stateDir: '/state',
  });

  assert.deepEqual(config.haproxy.handshake, ['127.0.0.1:8443', '[::1]:443']);
  assert.deepEqual(config.pem, { mode: 0o640, uid: 0, gid: 0 });
  assert.deepEqual([config.host, config.pollIntervalMs, config.stateDir], ['lb2', 5000, '/state']);
  assert.deepEqual([config.haproxy.crtList, config.haproxy.bufsize], ['/jail/c', 65_536]);
  assert.equal(config.haproxy.pace, 10);
  assert.equal(config.haproxy.program, '/opt/haproxy/sbin/haproxy');
  assert.deepEqual([config.haproxy.placeholder, config.metrics.textfile], [true, '/m.prom']);
  assert.deepEqual(
    [config.haproxy.crtListFile, config.haproxy.paths],
    ['/c/list.txt', { host: '/c', haproxy: '/jail/c' }],
  );
  assert.deepEqual(config.haproxy.reload, {
    command: ['systemctl', 'reload', 'haproxy'],
    check: ['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg'],
    windowMs: 60_000,
    timeoutMs: 120_000,
  });
});

test('flag beats environment beats file', async () => {
  const env = {
    PEMFLEET_AGENT_FLEET: 'from-env',
    PEMFLEET_AGENT_STATS_SOCKET: '/env.sock',
    PEMFLEET_AGENT_HANDSHAKE: '',
  };

  const config = await load(
    { ...minimal, haproxy: { statsSocket: '/file.sock', certsDir: '/file' } },
    { env, flags: { fleet: 'from-flag', 'pem-mode': '0640', 'poll-interval': '7' } },
  );

  assert.deepEqual(
    [config.fleet, config.haproxy.statsSocket, config.haproxy.certsDir],
    ['from-flag', '/env.sock', '/file'],
  );
  assert.deepEqual(config.haproxy.handshake, []);
  assert.deepEqual([config.pem.mode, config.pollIntervalMs], [0o640, 7000]);
});

test('YAML reads an unquoted 0640 as the decimal 640: it still means rw-r-----', async () => {
  const config = await load('bucket: file:///b\nfleet: edge\npem:\n  mode: 0640\n');

  assert.equal(config.pem.mode, 0o640);
});

test('a list of addresses in one word is split at commas', async () => {
  const config = await load(minimal, { flags: { handshake: '127.0.0.1:443,[::1]:443' } });

  assert.deepEqual(config.haproxy.handshake, ['127.0.0.1:443', '[::1]:443']);
});

const refusals: [string, unknown, RegExp][] = [
  ['a missing key', { fleet: 'edge' }, /^bucket: is missing: wanted a string\. Bucket URL: s3:.*$/],
  [
    'a typo',
    { ...minimal, haproxy: { statSocket: '/s' } },
    /^haproxy\.statSocket: unknown key; did you mean statsSocket\?$/,
  ],
  ['a fleet that is a path', { ...minimal, fleet: '../x' }, /^fleet: must match/],
  ['a world-readable mode', { ...minimal, pem: { mode: '0644' } }, /^pem\.mode: must be octal/],
  [
    "YAML's own octal, which arrives as another number",
    'bucket: file:///b\nfleet: edge\npem:\n  mode: 0o640\n',
    /^pem\.mode: must be octal/,
  ],
  [
    'a command in the path',
    { ...minimal, haproxy: { certsDir: '/c;show env' } },
    /^haproxy\.certsDir: must be an absolute path/,
  ],
  [
    'a relative directory',
    { ...minimal, haproxy: { certsDir: 'certs' } },
    /^haproxy\.certsDir: must be an absolute path/,
  ],
  [
    'a bind without port',
    { ...minimal, haproxy: { handshake: ['localhost'] } },
    /^haproxy\.handshake\[0\]: must be HOST:PORT/,
  ],
  [
    'an unknown user',
    { ...minimal, pem: { owner: 'no-such-user' } },
    /^pem\.owner: \/etc\/passwd has no no-such-user$/,
  ],
  [
    'a bucket that is no URL',
    { ...minimal, bucket: '/srv/bucket' },
    /^bucket: wanted a URL with an absolute path: file:\/\/\/srv\/bucket/,
  ],
  ['no mapping', '- a\n', /wanted keys and values$/],
  ['no YAML', 'a: [', /^not YAML: a list in brackets that has no end: close it with \]$/],
];

for (const [says, settings, message] of refusals) {
  test(`refused: ${says}`, async () => {
    await assert.rejects(load(settings), (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.code, 'ERR_CONFIG');
      assert.match(withoutPlaces(error), message);
      return true;
    });
  });
}

test('several culprits are named at once, one a line', async () => {
  await assert.rejects(load({ fleet: 'Edge', pem: { mode: 1 } }), (error: Error) => {
    assert.deepEqual(
      withoutPlaces(error)
        .split('\n')
        .map((line) => line.split(':')[0]),
      ['bucket', 'fleet', 'pem.mode'],
    );
    return true;
  });
});

test('without the default file, its path and its cure are named, and no line or column of it', async () => {
  const error = await loadAgentConfig({ flags: {}, env: {}, hostname: 'lb1' }).then(
    () => assert.fail('it was taken'),
    String,
  );

  assert.match(error, /\/etc\/pemfleet\/agent\.yaml: there is no such file; "pemfleet init" writes one\n/);
  assert.doesNotMatch(error, /:1:1/);
});

test('a file that was named must be there; the default one need not', async () => {
  const sources = { env: {}, hostname: 'lb1' };

  await assert.rejects(
    loadAgentConfig({ ...sources, flags: { config: '/nonexistent.yaml' } }),
    /there is no such file/,
  );
  assert.equal((await loadAgentConfig({ ...sources, flags: minimal })).fleet, 'edge');
});
