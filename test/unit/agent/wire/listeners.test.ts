/** A /proc of a test's own: what another user's processes hide cannot be had from the real one as root. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { listenersOn } from '../../../../agent/wire/listeners.ts';
import { tempDir } from '../../../support/temp-dir.ts';

interface FakeProcess {
  name: string;
  parent: number;
  /** Inodes; `undefined`: this user may not look. */
  sockets?: number[];
  /** In a container. */
  ownPid?: number;
}

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const line = (local: string, state: string, inode: number) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0`;

function makeProc(
  t: TestContext,
  tables: { tcp?: string[]; tcp6?: string[] },
  processes: Record<number, FakeProcess>,
): string {
  const proc = tempDir(t);
  mkdirSync(join(proc, 'net'));
  writeFileSync(join(proc, 'net', 'tcp'), [HEAD, ...(tables.tcp ?? [])].join('\n'));
  writeFileSync(join(proc, 'net', 'tcp6'), [HEAD, ...(tables.tcp6 ?? [])].join('\n'));
  for (const [pid, { name, parent, sockets, ownPid = pid }] of Object.entries(processes)) {
    const directory = join(proc, pid);
    mkdirSync(join(directory, ...(sockets ? ['fd'] : [])), { recursive: true });
    writeFileSync(join(directory, 'status'), `Name:\t${name}\nPPid:\t${parent}\nNSpid:\t${pid}\t${ownPid}\n`);
    for (const inode of sockets ?? []) symlinkSync(`socket:[${inode}]`, join(directory, 'fd', `${inode}`));
  }
  return proc;
}

/** 127.0.0.1:443, as a machine of little endian prints it. */
const LOOPBACK = '0100007F:01BB';
const [LISTEN, ESTABLISHED] = ['0A', '01'];
const HAPROXY = {
  10: { name: 'haproxy', parent: 1, sockets: [] },
  11: { name: 'haproxy', parent: 10, sockets: [7] },
};

test('HAProxy alone: its master and its worker are the same', async (t) => {
  const tcp = [line(LOOPBACK, LISTEN, 7), line(LOOPBACK, ESTABLISHED, 8), line('0100007F:01BC', LISTEN, 9)];
  const proc = makeProc(t, { tcp }, { ...HAPROXY, 20: { name: 'curl', parent: 1, sockets: [8, 9] } });

  assert.deepEqual(await listenersOn('127.0.0.1:443', 11, proc), {
    sockets: 1,
    known: [{ pid: 11, name: 'haproxy', relation: 'same' }],
    suspects: [],
  });
});

test('an orphan, a former worker and a container on one port', async (t) => {
  const tcp = [line(LOOPBACK, LISTEN, 7), line('00000000:01BB', LISTEN, 8), line('0200007F:01BB', LISTEN, 9)];
  const tcp6 = [line(`${'0'.repeat(32)}:01BB`, LISTEN, 6), line(`${'0'.repeat(24)}01000000:01BB`, LISTEN, 5)];
  const proc = makeProc(
    t,
    { tcp, tcp6 },
    {
      ...HAPROXY,
      12: { name: 'haproxy', parent: 10, sockets: [7] },
      20: { name: 'haproxy', parent: 1, sockets: [8] },
      30: { name: 'docker\u0007proxy', parent: 1, sockets: [6] },
      40: { name: 'other', parent: 1, sockets: [9, 5] },
    },
  );

  const { sockets, known } = await listenersOn('proxy@127.0.0.1:443', 11, proc);

  assert.equal(sockets, 3);
  assert.deepEqual(
    known.map(({ pid, name, relation }) => [pid, name, relation]),
    [
      [11, 'haproxy', 'same'],
      [12, 'haproxy', 'stale'],
      [20, 'haproxy', 'other'],
      [30, 'docker proxy', 'other'],
    ],
  );
});

test('whose socket it is cannot be seen: processes of the same name are suspects', async (t) => {
  const tcp = [line(LOOPBACK, LISTEN, 7), line(LOOPBACK, LISTEN, 8)];
  const hidden = (parent: number) => ({ name: 'haproxy', parent });
  const proc = makeProc(
    t,
    { tcp },
    { 10: hidden(1), 11: hidden(10), 12: hidden(10), 20: hidden(1), 21: { name: 'nginx', parent: 1 } },
  );

  assert.deepEqual(await listenersOn('127.0.0.1:443', 11, proc), {
    sockets: 2,
    known: [],
    suspects: [
      { pid: 12, name: 'haproxy', relation: 'stale' },
      { pid: 20, name: 'haproxy', relation: 'other' },
    ],
  });
});

test('HAProxy in a container knows itself by another pid', async (t) => {
  const tcp6 = [line(`${'0'.repeat(24)}01000000:01BB`, LISTEN, 7)];
  const proc = makeProc(
    t,
    { tcp6 },
    {
      11: { name: 'init', parent: 1, sockets: [] },
      500: { name: 'haproxy', parent: 400, sockets: [7], ownPid: 11 },
    },
  );

  const { known } = await listenersOn('[::1]:443', 11, proc);

  assert.deepEqual(known, [{ pid: 500, name: 'haproxy', relation: 'same' }]);
});

test('a socket that is no TCP port has no table here', async (t) => {
  assert.deepEqual(await listenersOn('unix@/run/a.sock', 11, makeProc(t, {}, {})), {
    sockets: 0,
    known: [],
    suspects: [],
  });
});
