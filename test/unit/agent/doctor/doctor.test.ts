import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadAgentConfig } from '../../../../agent/config/config.ts';
import { isAskable, parseHaproxyConfig } from '../../../../agent/doctor/haproxy-config.ts';
import { judgeHaproxy } from '../../../../agent/doctor/judge-haproxy.ts';
import { judgeLoaded } from '../../../../agent/doctor/judge-loaded.ts';
import type { DirectoryFacts } from '../../../../agent/doctor/look-directory.ts';
import type { HaproxyFacts } from '../../../../agent/doctor/look-haproxy.ts';
import { toHandshake } from '../../../../lambda/common/haproxy/handshake-address.ts';

const config = await loadAgentConfig({
  flags: { bucket: 'file:///b', fleet: 'edge', config: '/dev/null' },
  env: {},
  hostname: 'lb1',
});

const haproxy: HaproxyFacts = {
  socketMode: 0o660,
  code: undefined,
  certificatesCode: undefined,
  version: '3.2.26-1',
  isStopping: false,
  now: undefined,
  crtLists: ['/etc/haproxy/certs'],
  filenames: new Set(),
  transaction: undefined,
  acme: new Map(),
  config: parseHaproxyConfig([], {}),
  configUnread: undefined,
};

const directory: DirectoryFacts = {
  path: '/etc/haproxy/certs',
  code: undefined,
  isWritable: true,
  mode: 0o750,
  entries: [],
  crtLists: ['/etc/haproxy/certs'],
  otherRoots: [],
  isNamedFileByFile: false,
  serials: new Map(),
  unused: [],
};

const idsOf = (findings: { id: string }[]) => findings.map(({ id }) => id);

test('HAProxy versions and states that no test can start are judged by what HAProxy says', () => {
  const rows: [Partial<HaproxyFacts>, string[]][] = [
    [{}, []],
    [{ version: '2.0.35' }, ['haproxy-too-old']],
    [{ version: '2.4.22' }, ['haproxy-too-old']],
    [{ version: '2.6.12-1+deb12u4' }, []],
    [{ version: '3.5-dev5' }, []],
    [{ version: 'own-build' }, ['haproxy-untested']],
    [{ version: '10.1' }, []],
    [{ isStopping: true }, ['haproxy-stopping']],
    [{ certificatesCode: 'ERR_RUNTIME_TIMEOUT' }, ['socket-silent']],
  ];

  for (const [changes, ids] of rows) {
    assert.deepEqual(idsOf(judgeHaproxy({ ...haproxy, ...changes }, config)), ids, JSON.stringify(changes));
  }
});

test("HAProxy's names of the directory: twice, of another root, relative", () => {
  const rows: [readonly string[], Partial<DirectoryFacts>, string[], string][] = [
    [['/etc/haproxy/certs'], {}, [], ''],
    [
      ['/etc/haproxy/certs', '/etc/haproxy/./certs'],
      { crtLists: ['/etc/haproxy/certs', '/etc/haproxy/./certs'] },
      ['directory-two-names'],
      'crt /etc/haproxy/certs on each bind',
    ],
    [
      ['/usr/local/etc/haproxy/ssl'],
      { crtLists: [], otherRoots: ['/usr/local/etc/haproxy/ssl'] },
      ['directory-other-root'],
      'haproxy.crtList: /usr/local/etc/haproxy/ssl',
    ],
    [['haproxy/certs'], { crtLists: [] }, ['directory-other-root'], 'haproxy.crtList: haproxy/certs'],
    [['etc/haproxy/certs'], { crtLists: [] }, ['directory-other-root'], 'absolute path'],
    [[], { crtLists: [] }, ['directory-not-loaded'], 'bind :443 ssl crt /etc/haproxy/certs strict-sni'],
  ];

  for (const [crtLists, changes, ids, fix] of rows) {
    const found = judgeLoaded({ ...directory, ...changes }, { ...haproxy, crtLists }, config);
    assert.deepEqual(idsOf(found), ids, crtLists.join());
    assert.ok((found[0]?.fix ?? '').includes(fix), found[0]?.fix);
  }
});

test('the shipped HAProxy configuration is read as HAProxy reads it', () => {
  const text = readFileSync(new URL('../../../../agent/host/haproxy.cfg', import.meta.url), 'utf8');
  const parse = (env: Record<string, string>) => parseHaproxyConfig([{ file: 'h.cfg', text }], env);

  const plain = parse({});
  const { binds, statsSockets, chroot } = parse({ PEMFLEET_UNPRIVILEGED: '1', PEMFLEET_HTTPS_BIND: ':8443' });

  assert.deepEqual([plain.chroot, plain.bufsize, plain.ocspUpdates], ['/var/lib/haproxy', undefined, []]);
  assert.deepEqual(
    plain.binds.map(({ address, crt, hasStrictSni }) => [address, crt, hasStrictSni]),
    [[':443', ['/etc/haproxy/certs'], true]],
  );
  assert.deepEqual([chroot, binds[0]?.address], [undefined, ':8443']);
  assert.deepEqual(
    statsSockets.map(({ path, level }) => [path, level]),
    [['/run/haproxy/admin.sock', 'admin']],
  );
});

test('quotes, comments, escapes and conditions of a HAProxy configuration', () => {
  const text = [
    "bind :1 ssl crt '/d # e' strict-sni # crt /no",
    'bind :2 ssl crt /d\\ f',
    '.if version_atleast(3.0)',
    `bind :3 ssl crt "\${A}/$B"`,
    '.else',
    `bind :4 ssl crt "\${C-/c}"`,
    '.endif',
    '.if !defined(A)',
    'bind :5 ssl',
    '.endif',
    'bind :6',
    'tune.bufsize 65536',
    'bind :7 ssl crt-list /l [ocsp-update on]',
  ].join('\n');

  const seen = parseHaproxyConfig([{ file: 'f', text }], { A: '/a', B: 'b' });

  assert.deepEqual(
    seen.binds.map(({ at, crt }) => [at, ...crt]),
    [['f:1', '/d # e'], ['f:2', '/d f'], ['f:4', '/a/b'], ['f:6', '/c'], ['f:13']],
  );
  assert.deepEqual([seen.bufsize, seen.ocspUpdates, seen.binds[4]?.crtLists], [65_536, ['f:13'], ['/l']]);
});

test('a handshake is proposed with the binds that a client of this host reaches', () => {
  const rows: [bind: string, proposed: string | undefined][] = [
    [':443', '127.0.0.1:443'],
    ['*:443', '127.0.0.1:443'],
    ['0.0.0.0:443', '127.0.0.1:443'],
    ['ipv4@*:443', '127.0.0.1:443'],
    ['[::1]:443', '[::1]:443'],
    [':::443', '[::1]:443'],
    ['[::]:443', '[::1]:443'],
    ['ipv6@:443', '[::1]:443'],
    [':::443 v4v6', '127.0.0.1:443'],
    ['192.0.2.1:8443-8450', '192.0.2.1:8443'],
    ['192.0.2.1:443 accept-proxy', 'proxy@192.0.2.1:443'],
    ['quic4@:443', undefined],
    ['quic6@[::]:443', undefined],
    ['fd@3', undefined],
    ['unix@/run/tls.sock', 'unix@/run/tls.sock'],
    ['/run/tls.sock accept-proxy', 'proxy@unix@/run/tls.sock'],
    ['abns@inner', 'abns@inner'],
    [':443 interface eth0', undefined],
    [':443 interface lo', '127.0.0.1:443'],
    [':443 namespace blue', undefined],
  ];

  const proposed = rows.map(([bind]) => {
    const { binds } = parseHaproxyConfig([{ file: 'f', text: `bind ${bind} ssl crt /c` }], {});
    return [bind, binds.filter(isAskable).map(toHandshake)[0]];
  });

  assert.deepEqual(proposed, rows);
});
