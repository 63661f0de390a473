// Files that a bind reads from elsewhere than our directory: HAProxy does not say which bind, so that all of them count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { viewHaproxy } from '../../../../agent/haproxy/view.ts';

const line = { lineNumber: 1, tail: '' };
const lists: Record<string, Map<string, (typeof line)[]>> = {
  '/ours': new Map([
    ['/ours/shop.pem', [line]],
    ['/ours/aaa.pem', [line]],
  ]),
  '/other': new Map([
    ['/other/o.pem', [line]],
    ['/ours/./shop.pem', [line]],
  ]),
};

for (const version of ['2.6.12', '3.0.11'] as const) {
  test(`HAProxy ${version}: of our directory, of another one, and a single file`, async () => {
    const runtime = {
      showInfo: async () => ({ pid: 7, version, isStopping: false }),
      showCrtLists: async () => Object.keys(lists),
      showCrtList: async (name: string) => lists[name],
      showCertificateNames: async () => [
        '/ours/shop.pem',
        '/ours/aaa.pem',
        '/other/o.pem',
        '/ours/./shop.pem',
        '/single.pem',
      ],
      showCertificates: async () => new Map(),
    } as unknown as Runtime;
    const options = { certsDir: '/ours', crtList: '/ours', bufsize: 16_384 };

    const { strangers } = await viewHaproxy(runtime, options, new Map([['shop.pem', []]]));

    assert.deepEqual([...strangers.keys()], ['/ours/aaa.pem', '/other/o.pem', '/single.pem']);
  });
}
