// Challenges by certificate against a real CA: several in one pass, the second of a list when the first fails twice, a record that stays.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOUR_MS } from '#common/time.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import type { ChallengeSolver, Solvers } from '../../../lambda/challenge/solver.ts';
import type { ChallengeName } from '../../../lambda/config/challenge.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
import { openSolvers } from '../../../lambda/wiring.ts';
import { ordersAsked, startStage } from '../../support/issuer/stage.ts';
import { startDns } from '../../support/parts/dns.ts';

const dns = await startDns();
after(dns.stop);

/** A zone that takes each record and shows none. */
const deaf = (used: string[]): ChallengeSolver => ({
  type: 'dns-01',
  present: async () => void used.push('dns-01'),
  cleanUp: async () => void used.push('dns-01 removed'),
});

function solversBy(open: (challenge: ChallengeName) => ChallengeSolver): Solvers {
  return { of: async (challenge) => open(challenge), close: async () => undefined };
}

test('[dns-01, http-01]: the second when the first has failed twice, and the first again at the next renewal', async (t) => {
  const stage = await startStage(t);
  const used: string[] = [];
  const byHttp = http01Solver(stage.bucket);
  const http: ChallengeSolver = {
    ...byHttp,
    present: async (challenges) => {
      used.push('http-01');
      await byHttp.present(challenges);
    },
  };
  const solvers = solversBy((challenge) => (challenge === 'dns-01' ? deaf(used) : http));
  const certificates = [{ identifiers: ['a.test'], challenge: ['dns-01', 'http-01'] }];
  const results: string[] = [];
  const presented = () => used.filter((text) => !text.endsWith('removed'));

  for (let attempt = 0; attempt < 3; attempt += 1) {
    const [outcome] = await stage.pass(certificates, {}, { solvers });
    results.push(outcome?.result ?? '');
    stage.advance(3 * HOUR_MS);
  }
  const chosen = presented();
  const [again] = await stage.pass(certificates, { force: true }, { solvers });

  assert.deepEqual(results, ['failed', 'failed', 'issued']);
  assert.deepEqual(chosen, ['dns-01', 'dns-01', 'http-01']);
  assert.equal(again?.result, 'failed');
  assert.deepEqual(presented().slice(3), ['dns-01']);
  // Each pass that presents by it removes its own; nothing is removed twice.
  assert.equal(used.filter((text) => text.endsWith('removed')).length, 3);
});

test('an answer of another challenge that a killed pass has left is removed by its own solver', async (t) => {
  const stage = await startStage(t);
  const used: string[] = [];
  const dying: ChallengeSolver = { ...deaf(used), present: () => Promise.reject(new Error('killed')) };
  const first = solversBy(() => ({ ...dying, cleanUp: () => Promise.reject(new Error('killed')) }));
  const second = solversBy((name) => (name === 'dns-01' ? deaf(used) : http01Solver(stage.bucket)));
  const names = { identifiers: ['a.test'] };

  const [killed] = await stage.pass([{ ...names, challenge: 'dns-01' }], {}, { solvers: first });
  stage.advance(HOUR_MS);
  const [done] = await stage.pass([{ ...names, challenge: 'http-01' }], {}, { solvers: second });

  assert.equal(killed?.result, 'failed');
  assert.equal(done?.result, 'issued');
  assert.deepEqual(used, ['dns-01 removed']);
});

/** A stage whose records stay in a DNS that Pebble asks, too. */
async function startPersistStage(t: Parameters<typeof startStage>[0]) {
  const stage = await startStage(t, { dnsServer: dns.address, withoutResponder: true });
  const account = await stage.openAccount();
  const solversFor = (certificates: object[]) => {
    const config = { ...stage.configOf(certificates), dns: { hostedZones: [], resolvers: [dns.address] } };
    const timing = { now: () => new Date(), deadline: new Date(Date.now() + HOUR_MS), sleep };
    return openSolvers(config, stage.bucket, timing);
  };
  const pass = (identifiers: string[], options: PassOptions = {}) => {
    const certificates = [{ identifiers, challenge: 'dns-persist-01' }];
    return stage
      .pass(certificates, options, { solvers: solversFor(certificates) })
      .then(([outcome]) => outcome);
  };
  return { stage, accountUrl: account.accountUrl ?? '', pass };
}

/** In place of what was there. */
async function publish(name: string, value: string): Promise<void> {
  const host = `_validation-persist.${name}.`;
  await dns.manage('clear-txt', { host });
  await dns.manage('set-txt', { host, value });
}

test('dns-persist-01: a record that lacks is told with its value, costs neither order nor validation, and once published serves each renewal', async (t) => {
  const { stage, accountUrl, pass } = await startPersistStage(t);

  const missing = await pass(['b.test']);
  const ordered = ordersAsked(stage);
  const [, value = ''] =
    /TXT "([^"]+)" at _validation-persist\.b\.test/.exec(missing?.error?.message ?? '') ?? [];
  await publish('b.test', value);
  stage.advance(HOUR_MS);
  const issued = await pass(['b.test']);
  const renewed = await pass(['b.test'], { force: true });

  assert.equal(missing?.error?.code, 'ERR_DNS_RECORD', missing?.error?.message);
  assert.equal(ordered, 0);
  assert.match(value, new RegExp(`^[a-z.]+; accounturi=${accountUrl}$`));
  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(renewed?.result, 'issued');
});

test('dns-persist-01: the record of a wildcard needs policy=wildcard; of another account, it is none', async (t) => {
  const { accountUrl, pass, stage } = await startPersistStage(t);
  const results: string[] = [];

  for (const parameters of [
    `accounturi=${accountUrl}9; policy=wildcard`,
    `accounturi=${accountUrl}`,
    `accounturi=${accountUrl}; policy=wildcard`,
  ]) {
    await publish('c.test', `pebble.letsencrypt.org; ${parameters}`);
    const outcome = await pass(['c.test', '*.c.test']);
    results.push(outcome?.error?.message ?? outcome?.result ?? '');
    stage.advance(3 * HOUR_MS);
  }

  assert.match(results[0] ?? '', /names the account/);
  assert.match(results[1] ?? '', /no policy=wildcard/);
  assert.equal(results[2], 'issued');
});
