// "Whenever it is killed, HAProxy can start", by one kill each; the campaign: long/agent/promises.test.ts.
import { describe, test } from 'node:test';
import type { Way } from '../../../support/agent/configs.ts';
import { surviveKills } from '../../../support/agent/killed.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';

const ways: Way[] = ['crt DIR', 'crt-list FILE'];

describe('kill -9 and reloads', { concurrency: 2 }, () => {
  for (const [index, version] of haproxyVersions.entries()) {
    const way = ways[index % ways.length] as Way;
    test(`${version}, ${way}: the agent is killed, HAProxy starts and serves each name`, async (t) => {
      await surviveKills(t, { version, way, kills: 1, seed: index + 1 });
    });
  }
});
