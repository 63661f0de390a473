import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateName, layout } from '#contract/layout.ts';
import type { RevocationReason } from '../../../lambda/acme/revocation.ts';
import { findRevocationTargets, revokeTargets } from '../../../lambda/publication/revoke.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { makeSpec } from '../../support/issuer/documents.ts';
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

test('the account is lost: a certificate of it is revoked by its own key, if that is compromised, and not otherwise', async (t) => {
  const stage = await startStage(t);
  const { bucket, pebble, events } = stage;
  await stage.pass([{ identifiers: ['lost.test'] }]);
  const spec = makeSpec({ identifiers: ['lost.test'], name: certificateName.parse('lost.test') });
  const signing = await openSigningKey(bucket, { fleets: spec.fleets, dryRun: true });
  const targets = await findRevocationTargets({ bucket, signing }, spec, undefined);
  await bucket.delete(layout.account(pebble.directoryUrl));
  const cas = stage.casBy(stage.exchange);
  const revoke = (reason: RevocationReason) =>
    revokeTargets({ cas, log: events.log }, targets, spec.name, reason);

  await assert.rejects(revoke('superseded'), /was not ordered by this account.*--reason keyCompromise/);
  const [first] = await revoke('keyCompromise');
  const [second] = await revoke('keyCompromise');

  assert.deepEqual([first?.isNew, second?.isNew], [true, false]);
  assert.equal(first?.serial, targets[0]?.leaf.serialNumber);
});
