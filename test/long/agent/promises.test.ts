// The two promises of the agent at length: "whenever it is killed, HAProxy can start", and "nobody else's file is ever touched".
// `PEMFLEET_SEED=N` replays a campaign.
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Way } from '../../support/agent/configs.ts';
import { surviveKills } from '../../support/agent/killed.ts';
import { liveBeside } from '../../support/agent/life.ts';
import { haproxyVersions } from '../../support/parts/haproxy.ts';
import { shareOf } from '../../support/turn.ts';

const seed = Number(process.env['PEMFLEET_SEED'] ?? randomInt(1_000_000));
const versions = shareOf(haproxyVersions, 4);
/** Of both ways together: 18 on each version. */
const KILLS = 9;

describe('promises', { concurrency: 2 }, () => {
  for (const version of versions) {
    for (const way of ['crt DIR', 'crt-list FILE'] satisfies Way[]) {
      test(`${version}, ${way}: ${KILLS} kills with reloads`, async (t) => {
        await surviveKills(t, { version, way, kills: KILLS, seed });
      });
    }
  }
  for (const version of versions) {
    for (const way of ['crt DIR', 'crt-list FILE'] satisfies Way[]) {
      test(`${version}, ${way}: nobody else's file is touched`, async (t) => {
        await liveBeside(t, { version, way, kills: [5, 15, 25, 35, 45, 55, 65] });
      });
    }
  }
});
