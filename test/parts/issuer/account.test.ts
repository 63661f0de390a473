import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { startStage } from '../../support/issuer/stage.ts';

test('twenty first passes at once end with one account and one key', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });

  const clients = await Promise.all(Array.from({ length: 20 }, () => stage.openAccount()));

  assert.equal(new Set(clients.map(({ accountUrl }) => accountUrl)).size, 1);
  assert.equal(new Set(clients.map(({ thumbprint }) => thumbprint)).size, 1);
  const stored = JSON.parse(stage.bucket.text(layout.account(stage.pebble.directoryUrl)) ?? '');
  assert.equal(stored.url, clients[0]?.accountUrl);
  const account = await clients[0]?.post(stored.url, null);
  assert.match(JSON.stringify(account?.data), /"status":"valid"/);
});

test('an account whose answer was lost is found again by its key', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });
  stage.failNext(({ url }) => url.endsWith('/sign-me-up'), 'answer');
  await assert.rejects(stage.openAccount(), { code: 'ERR_ACME_UNREACHABLE' });

  const [again, later] = [await stage.openAccount(), await stage.openAccount()];

  assert.ok(again.accountUrl);
  assert.equal(later.accountUrl, again.accountUrl);
  assert.equal(stage.exchanged.filter(({ url }) => url.endsWith('/sign-me-up')).length, 2);
});
