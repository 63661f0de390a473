// What a proof leaves behind in HAProxy: nothing over HTTP/2; over HTTP/1.1 a line without "option dontlognull", and counts of its own address.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { chainFrom } from '../../../../agent/wire/tls-client.ts';
import { startHaproxy } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { freePort } from '../../../support/ports.ts';
import { until } from '../../../support/process.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const PROOFS = 5;
const SILENT = { http2: true, http2Null: true, http1Null: true };

test('a proof leaves no line in the log over HTTP/2, nor where the frontend has dontlognull; it counts as a connection', async (t) => {
  const place = makeTempDir();
  const pki = await createPki();
  const certs = join(place.path, 'certs');
  mkdirSync(certs);
  writeFileSync(join(certs, 'a.pem'), (await pki.issue({ names: ['a.test'] })).combined);
  const lines: string[] = [];
  const syslog = createSocket('udp4', (message) => void lines.push(message.toString()));
  syslog.bind(0, '127.0.0.1');
  await once(syslog, 'listening');
  const frontends = [
    ['http1', 'alpn http/1.1', ''],
    ['http1Null', 'alpn http/1.1', 'option dontlognull'],
    ['http2', 'alpn h2,http/1.1', ''],
    ['http2Null', 'alpn h2,http/1.1', 'option dontlognull'],
  ] as const;
  const ports = await Promise.all(frontends.map(() => freePort()));
  const sections = frontends.map(
    ([name, alpn, option], index) => `frontend ${name}
  bind 127.0.0.1:${ports[index]} ssl crt ${certs} ${alpn}
  ${option}
  stick-table type ip size 1k expire 1m store conn_cnt,http_req_cnt,http_err_cnt,glitch_cnt
  tcp-request connection track-sc0 src
  http-request return status 200
`,
  );
  const haproxy = await startHaproxy({
    version: '3.2',
    workDir: place.path,
    configText: `global
  log 127.0.0.1:${(syslog.address() as AddressInfo).port} format raw local0
  stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 5s
  timeout server 5s
${sections.join('')}`,
  });
  t.after(async () => {
    await haproxy.stop();
    syslog.close();
    place.remove();
  });

  for (const port of [...ports.slice(1), ports[0]]) {
    for (let count = 0; count < PROOFS; count += 1) {
      await chainFrom({ address: `127.0.0.1:${port}`, servername: 'a.test' }, 'any');
    }
  }
  await until(
    async () => lines.filter((line) => line.includes(' http1~ ')).length === PROOFS,
    () => undefined,
    10_000,
  );

  for (const name of Object.keys(SILENT)) {
    assert.deepEqual(
      lines.filter((line) => line.includes(` ${name}~ `)),
      [],
      name,
    );
  }
  assert.match(lines.find((line) => line.includes(' http1~ ')) ?? '', /"<BADREQ>"/);
  const counts = async (name: string) =>
    /conn_cnt=\d+ .*/.exec(await haproxy.command(`show table ${name}`))?.[0].trim();
  assert.equal(await counts('http2'), 'conn_cnt=5 http_req_cnt=0 http_err_cnt=0 glitch_cnt=0');
  assert.equal(await counts('http1Null'), 'conn_cnt=5 http_req_cnt=5 http_err_cnt=5 glitch_cnt=0');
});
