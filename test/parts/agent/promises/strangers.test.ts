// "Nobody else's file is ever touched": the life of an agent in a directory full of other people's files, with two versions of HAProxy today. In
// all ways: long/agent/promises.test.ts.
import { test } from 'node:test';
import type { Way } from '../../../support/agent/configs.ts';
import { liveBeside } from '../../../support/agent/life.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';
import { shareOf } from '../../../support/turn.ts';

const ways: Way[] = ['crt-list FILE', 'crt DIR'];

const all = haproxyVersions.map((version, index) => ({ version, way: ways[index % ways.length] as Way }));

for (const { version, way } of shareOf(all, 2)) {
  test(`${version}, ${way}: nobody else's file is touched in the whole life of an agent`, async (t) => {
    await liveBeside(t, { version, way, kills: [20, 45] });
  });
}
