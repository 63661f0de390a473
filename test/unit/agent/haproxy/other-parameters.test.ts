import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';

const refusals = [
  {
    version: '2.8',
    text: "Can't edit the crt-list: Incompatibilities found in OCSP update mode for certificate /c/a.pem",
    code: 'ERR_RUNTIME_CRT_LIST',
  },
  {
    version: '3.0 and later',
    text: "Can't edit the crt-list: '/c/a.pem' is already instantiated with incompatible parameters:\n- different parameter 'ocsp-update'",
    code: 'ERR_RUNTIME_CRT_LIST',
  },
  {
    version: 'all',
    text: "Can't edit the crt-list: parsing [CLI:1]: unknown ssl keyword banana",
    code: 'ERR_RUNTIME_REFUSED',
  },
];
for (const { version, text, code } of refusals) {
  test(`a refused crt-list line, HAProxy ${version}: ${code}`, async () => {
    const runtime = new Runtime(
      async () => ({ text, severity: 3, next: [] }),
      async () => undefined,
    );

    await assert.rejects(runtime.addToCrtList('/c/list', '/c/a.pem', '[ocsp-update on]'), { code });
  });
}
