/** What every CA must give, and where smallstep's ACME server, which Caddy holds, does otherwise than Pebble and Let's Encrypt: docs/cas.md. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import {
  type AccountAt,
  endAccount,
  replaceAccount,
  rolloverAccountKey,
} from '../../../lambda/ca/change-account.ts';
import type { ChallengeSolver, PresentedChallenge } from '../../../lambda/challenge/solver.ts';
import { readOrderRecords } from '../../../lambda/order/record.ts';
import { caSuite, LIFETIME_HOURS, REFUSED } from '../../support/issuer/ca-suite.ts';
import { onlySolver } from '../../support/issuer/only-solver.ts';
import { sharedStage } from '../../support/issuer/shared-stage.ts';
import { type CaddyStage, ordersAsked, startCaddyStage } from '../../support/issuer/stage.ts';

const shared = sharedStage((owner) =>
  startCaddyStage(owner, { lifetime: `${LIFETIME_HOURS}h`, deny: [REFUSED] }),
);
caSuite("Caddy's ACME server", shared);

const newOrder = ({ url }: { url: string }) => url.endsWith('/new-order');

test('RFC 8555 §8.2: a challenge that stays pending with an error is a failed try, told at once and with every name', async (t) => {
  const stage = await startCaddyStage(t, { withoutResponder: true });
  const begun = Date.now();

  const certificates = [0, 1, 2, 3].map((index) => ({
    identifiers: [`bad${index}.test`, `bad${index}b.test`],
  }));
  const outcomes = await stage.pass(
    certificates,
    {},
    { config: stage.configOf(certificates, { concurrency: 2 }) },
  );

  assert.ok(Date.now() - begun < 30_000, 'it was polled on');
  for (const { error } of outcomes) {
    assert.equal(error?.code, 'ERR_AUTHORIZATION');
    assert.match(error?.message ?? '', /bad\d+\.test.*connection \(.*bad\d+b\.test/s);
  }

  await stage.startResponder();
  stage.advance(2 * MINUTE_MS);
  const again = await stage.pass([
    { identifiers: ['bad0.test', 'bad0b.test'] },
    { identifiers: ['good.test'] },
  ]);

  assert.deepEqual(
    again.map(({ result }) => result),
    ['issued', 'issued'],
    again[0]?.error?.message,
  );
});

for (const lost of ['request', 'answer'] as const) {
  test(`an order whose ${lost} is lost is ordered again by an account that has finished orders, which stays whole`, async () => {
    const stage = shared();
    await stage.pass([{ identifiers: [`before-${lost}.test`] }]);
    const certificates = [{ identifiers: [`lost-${lost}.test`] }];
    stage.failNext(newOrder, lost);

    const [failed] = await stage.pass(certificates);
    stage.advance(2 * MINUTE_MS);
    const [issued] = await stage.pass(certificates);
    const [next] = await stage.pass([{ identifiers: [`after-${lost}.test`] }]);

    assert.equal(failed?.error?.code, 'ERR_ACME_UNREACHABLE');
    assert.equal(issued?.result, 'issued', issued?.error?.message);
    assert.equal(next?.result, 'issued', next?.error?.message);
  });
}

test('an order that the CA knows no more, which it calls malformed, is given up for another one', async () => {
  const stage = shared();
  const certificates = [{ identifiers: ['gone.test'] }];
  stage.failNext(({ url }) => url.includes('/finalize'), 'request');
  await stage.pass(certificates);
  await renameOrder(stage, 'gone.test');
  const before = ordersAsked(stage);
  stage.advance(2 * MINUTE_MS);

  const [issued] = await stage.pass(certificates);

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  assert.equal(ordersAsked(stage), before + 1);
});

async function renameOrder(stage: CaddyStage, name: string): Promise<void> {
  const key = `issuer/order/${name}.json`;
  const text = stage.bucket.text(key) ?? '';
  const [leg] = (await readOrderRecords(stage.bucket)).records.get(name)?.record.legs ?? [];
  assert.ok(leg?.orderUrl);
  await stage.bucket.put(key, text.replaceAll(leg.orderUrl, `${leg.orderUrl}x`));
}

test('apex and wildcard by DNS-01; a TXT record that is not there yet is a failed try, and the next pass succeeds', async () => {
  const stage = shared();
  const certificates = [{ identifiers: ['wild.test', '*.wild.test'], challenge: 'dns-01' }];
  const set = ({ identifier, keyAuthorization }: PresentedChallenge) =>
    stage.dns.manage('set-txt', {
      host: `_acme-challenge.${identifier}.`,
      value: createHash('sha256').update(keyAuthorization).digest('base64url'),
    });
  const solver = (present: ChallengeSolver['present']) => ({
    solvers: onlySolver({ type: 'dns-01', present, cleanUp: async () => undefined }),
  });
  const nothing = async () => undefined;

  const [failed] = await stage.pass(certificates, {}, solver(nothing));
  stage.advance(2 * MINUTE_MS);
  const [issued] = await stage.pass(
    certificates,
    {},
    solver(async (challenges) => void (await Promise.all(challenges.map(set)))),
  );

  assert.equal(failed?.error?.code, 'ERR_AUTHORIZATION');
  assert.match(failed?.error?.message ?? '', /wild\.test.*dns \(/);
  assert.equal(issued?.result, 'issued', issued?.error?.message);
});

test('a key rollover, which the directory offers and the server has not, is not offered; the account stays in use', async () => {
  const stage = shared();

  await assert.rejects(accountOf(stage).then(rolloverAccountKey), {
    code: 'ERR_ACME_NOT_OFFERED',
    message: /key rollover/,
  });
  const [outcome] = await stage.pass([{ identifiers: ['rolled.test'] }]);

  assert.equal(outcome?.result, 'issued', outcome?.error?.message);
});

test('a deactivated account, refused by 401 without a word of it, is told with its cure; another one issues', async () => {
  const stage = shared();
  const certificates = [{ identifiers: ['deactivated.test'] }];
  await endAccount(await stage.openAccount());

  const [failed] = await stage.pass(certificates);
  await replaceAccount(await accountOf(stage));
  stage.advance(2 * MINUTE_MS);
  const [issued] = await stage.pass(certificates);

  assert.match(
    failed?.error?.message ?? '',
    /our account https:.* orders nothing any more.*pemfleet account --new/,
  );
  assert.equal(issued?.result, 'issued', issued?.error?.message);
});

function accountOf(stage: CaddyStage): Promise<AccountAt> {
  const ca = stage.casBy(stage.exchange).get(stage.ca.directoryUrl);
  assert.ok(ca);
  return ca.accountAt();
}

test('a name of a single label is ordered from a private CA', async () => {
  const [outcome] = await shared().pass([{ identifiers: ['intranet'] }]);

  assert.equal(outcome?.result, 'issued', outcome?.error?.message);
});
