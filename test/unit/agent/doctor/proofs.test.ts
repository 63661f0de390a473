import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentConfig } from '../../../../agent/config/config.ts';
import { parseHaproxyConfig } from '../../../../agent/doctor/haproxy-config.ts';
import { judgeProofs } from '../../../../agent/doctor/judge-binds.ts';

const config = {
  haproxy: { handshake: ['127.0.0.1:443'] },
  watch: { proveWithinMs: 600_000 },
} as unknown as AgentConfig;

const ROWS: [says: string, text: string, version: string, ids: string[]][] = [
  ['no log at all', 'frontend f\nbind :443 ssl crt /c alpn http/1.1', '3.2', []],
  [
    'a log, HTTP/1.1',
    'defaults\nlog global\nfrontend f\nbind :443 ssl crt /c alpn http/1.1',
    '3.2',
    ['proofs-logged'],
  ],
  ['a log, HTTP/2', 'defaults\nlog global\nfrontend f\nbind :443 ssl crt /c alpn h2,http/1.1', '3.2', []],
  ['a log, no word of ALPN, 3.0', 'defaults\nlog global\nfrontend f\nbind :443 ssl crt /c', '3.0.11', []],
  [
    'a log, no word of ALPN, 2.6',
    'defaults\nlog global\nfrontend f\nbind :443 ssl crt /c',
    '2.6.12',
    ['proofs-logged'],
  ],
  [
    'dontlognull in the defaults',
    'defaults\nlog global\noption dontlognull\nfrontend f\nbind :443 ssl crt /c no-alpn',
    '3.2',
    [],
  ],
  [
    'dontlognull in the defaults, and not here',
    'defaults d\nlog global\noption dontlognull\nfrontend f from d\nno option dontlognull\nbind :443 ssl crt /c no-alpn',
    '3.2',
    ['proofs-logged'],
  ],
  [
    'connections counted by source',
    'frontend f\nbind :443 ssl crt /c\ntcp-request connection track-sc0 src',
    '3.2',
    ['proofs-counted'],
  ],
  ['requests counted by source', 'frontend f\nbind :443 ssl crt /c\nhttp-request track-sc0 src', '3.2', []],
];

for (const [says, text, version, ids] of ROWS) {
  test(`doctor: ${says} → ${ids.join() || 'nothing'}`, () => {
    const findings = judgeProofs(parseHaproxyConfig([{ file: 'h.cfg', text }], {}), 50, version, config);

    assert.deepEqual(
      findings.map(({ id }) => id),
      ids,
    );
    if (ids.includes('proofs-logged')) assert.match(findings[0]?.seen ?? '', /, 7200 a day$/);
  });
}
