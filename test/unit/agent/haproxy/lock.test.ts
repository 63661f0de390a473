import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holderIn } from '../../../../agent/haproxy/lock.ts';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import type { RuntimeSocket } from '../../../../agent/haproxy/socket.ts';

const ours =
  '0x7f1: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> age=0s calls=1 rp[f=80008000h,i=0,an=00h,ax=] scf=[8,0h,fd=13,rex=10m,wex=] scb=[8,1h,fd=-1,rex=,wex=]';
const visitor =
  '0x7f2: proto=tcpv4 src=192.0.2.1:4711 fe=web be=web age=3m calls=4 rp[f=0h,i=9,an=00h,ax=] scf=[8,0h,fd=14,rex=5s,wex=4s]';
const sessions = [
  {
    name: 'HAProxy 3.4, a client that does not read',
    line: '0x7f3: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> age=1m4s calls=1 rp[f=80078101h,i=0,an=00h,ax=] scf=[8,0h,fd=11,rex=9m58s,wex=9m58s] scb=[8,201h,fd=-1,rex=,wex=]',
    says: /^a client of unix:1, connected for 1m4s, holds it/,
  },
  {
    name: 'HAProxy 2.6, the same by TCP',
    line: '0x55f: proto=tcpv4 src=127.0.0.1:9 fe=GLOBAL be=<NONE> age=1s calls=1 rp[f=80048202h,i=0,an=00h,rx=,wx=9m58s,ax=] scf=[8,0h,fd=11] scb=[8,201h,fd=-1]',
    says: /^a client of 127\.0\.0\.1:9, connected for 1s, holds it/,
  },
  {
    name: 'an idle client of the socket',
    line: '0x7f4: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> age=2s calls=1 rp[f=80048101h,i=0,an=00h,ax=] scf=[8,0h,fd=12,rex=9m58s,wex=] scb=[8,1h,fd=-1,rex=,wex=]',
    says: undefined,
  },
];
for (const { name, line, says } of sessions) {
  test(`who holds the lock: ${name}`, () => {
    const holder = holderIn([visitor, ours, line].join('\n'));

    if (says === undefined) assert.equal(holder, undefined);
    else assert.match(holder ?? '', says);
  });
}

for (const [version, sent] of [
  ['3.2.26-1', ['show info', 'new ssl cert']],
  ['3.4.7-1', ['show info', 'show ssl cert', 'new ssl cert']],
] as const) {
  test(`HAProxy ${version}: ${sent.join(', ')}: 3.4 loses its lock when it refuses "new" for it`, async () => {
    const verbs: string[] = [];
    const answers: Record<string, string> = {
      'show info': `Version: ${version}\nPid: 7`,
      'show ssl cert': "Can't display the certificate: Not found or the certificate is a bundle!",
      'new ssl cert': "New empty certificate store '/c/a.pem'!",
    };
    const socket: RuntimeSocket = async ({ verb }) => {
      verbs.push(verb);
      return { text: answers[verb] ?? '', severity: undefined, next: [] };
    };
    const runtime = new Runtime(socket, async () => undefined);

    await runtime.showInfo();
    await runtime.newCertificate('/c/a.pem');

    assert.deepEqual(verbs, sent);
  });
}

test('a lock that was broken is not waited for again, until HAProxy has another process', async () => {
  let [tries, pid] = [0, 7];
  const socket: RuntimeSocket = async ({ verb }) => {
    if (verb === 'show ssl cert') tries += 1;
    const text = verb === 'show info' ? `Version: 3.4.7\nPid: ${pid}` : 'Operations are currently locked!';
    return { text: verb === 'show sess' ? ours : text, severity: 3, next: [] };
  };
  const runtime = new Runtime(socket, async () => undefined);
  const triesFor = async () => {
    tries = 0;
    await runtime.showInfo();
    await assert.rejects(runtime.showCertificate('/c/a.pem'), { code: 'ERR_RUNTIME_LOCK_BROKEN' });
    return tries;
  };

  const [first, again] = [await triesFor(), await triesFor()];
  pid = 8;

  assert.deepEqual([first, again, await triesFor()], [96, 1, 96]);
});
