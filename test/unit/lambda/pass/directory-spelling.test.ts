/** One CA by several spellings of its directory's URL: in the configuration, and in what earlier passes have stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializeDocument } from '#contract/document.ts';
import { layout } from '#contract/layout.ts';
import { readDirectory } from '../../../../lambda/acme/directory.ts';
import { openAccount } from '../../../../lambda/ca/account.ts';
import { readCaState } from '../../../../lambda/ca/state.ts';
import { createOrderRecord, readOrderRecords } from '../../../../lambda/order/record.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { refusal, withAcme } from '../../../support/issuer/config.ts';
import {
  DIRECTORY_URL,
  makeConfig,
  makeEntry,
  makeRecord,
  named,
} from '../../../support/issuer/documents.ts';
import { accountKey, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

const SPELLED = 'HTTPS://CA.test:443/directory';
const acme = { directoryUrl: SPELLED, termsOfServiceAgreed: true };

test('a certificate of the same CA in another spelling is not ordered anew', async () => {
  const bucket = memoryBucket();
  const issued = { directoryUrl: SPELLED, accountUrl: 'https://ca.test/account/1' };
  await publishEntry(bucket, 'a.test', makeEntry({ issued }));

  const [outcome] = await passOver(bucket).run([{ identifiers: ['a.test'] }], { dryRun: true });

  assert.deepEqual([outcome?.result, outcome?.reason], ['kept', 'fresh']);
});

test('its orders and its pause are of the same CA', async () => {
  const bucket = memoryBucket();
  await createOrderRecord(bucket, named('a.test'), makeRecord({ directoryUrl: SPELLED }));
  const pausedUntil = after(noon, 60_000);
  const state = { version: 1, cas: { [SPELLED]: { pausedUntil, strikes: 1, orders: [] } }, sets: {} };
  await bucket.put(layout.caState, JSON.stringify(state));

  const { records } = await readOrderRecords(bucket);
  const { cas } = await readCaState(bucket);

  assert.equal(records.get('a.test')?.record.directoryUrl, DIRECTORY_URL);
  assert.deepEqual(cas[DIRECTORY_URL]?.pausedUntil, pausedUntil);
});

test('the configuration has one spelling, and an account that was kept under another one is taken over', async () => {
  const { acme: settings } = makeConfig([{ identifiers: ['a.test'] }], { acme });
  const bucket = memoryBucket();
  const url = 'https://ca.test/account/1';
  await bucket.put(layout.account(SPELLED), serializeDocument({ version: 1, key: accountKey, url }));
  const { exchange } = fakeCa(() => refuse('malformed'));
  const now = () => noon;

  const directory = await readDirectory(exchange, settings.directoryUrl, now);
  const client = await openAccount({ bucket, settings, exchange, now }, directory);

  assert.equal(settings.directoryUrl, DIRECTORY_URL);
  assert.equal(client.accountUrl, url);
  assert.equal(bucket.text(layout.account(DIRECTORY_URL)), bucket.text(layout.account(SPELLED)));
});

test('a fallback that is the first CA in another spelling is refused', () => {
  const both = { ...withAcme({ directoryUrl: DIRECTORY_URL }), fallback: [acme] };

  const { message } = refusal(JSON.stringify(both));

  assert.match(message, /fallback\[0\]\.directoryUrl: https:\/\/ca\.test\/directory is listed twice/);
});
