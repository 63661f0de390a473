// The rules of Boulder that the hostile CA keeps in Pebble's place.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';
import { certIdOf } from '../../../lambda/acme/cert-id.ts';
import { actAsBoulder } from '../../support/hostile-ca/boulder.ts';
import { finalized, identifiersOf, jsonOf, readyOrder } from '../../support/hostile-ca/client.ts';
import * as faults from '../../support/hostile-ca/faults.ts';
import { startRawStage } from '../../support/hostile-ca/stage.ts';

const stage = await startRawStage();
after(stage.stop);
const { ca, client } = stage;
actAsBoulder(ca);

const newOrder = (payload: object) => client.post(client.directory['newOrder'] ?? '', payload);

test('a name under a wildcard of the same order is refused', async () => {
  const answer = await newOrder(identifiersOf('*.w.test', 'w.test', 'x.w.test'));

  assert.equal(answer.status, 400);
  assert.match(jsonOf(answer).detail, /"x\.w\.test" is redundant/);
  assert.equal((await newOrder(identifiersOf('*.w.test', 'w.test'))).status, 201);
});

test('an open order is handed out again', async () => {
  const first = await newOrder(identifiersOf('b.test', 'c.test'));
  const made = ca.ordersMade();

  const second = await newOrder(identifiersOf('c.test', 'b.test'));

  assert.deepEqual([second.status, second.headers['location']], [201, first.headers['location']]);
  assert.equal(ca.ordersMade(), made);
  assert.equal((await client.post(jsonOf(second).authorizations[0], null)).status, 200);
});

test('`replaces` is refused while its order is open, and free when that is seen to be invalid', async () => {
  const names = ['r.test'];
  const { certificate } = await finalized(client, await readyOrder(client, names), names);
  const replaces = certIdOf(new X509Certificate((await client.post(certificate, null)).body));
  const payload = { ...identifiersOf(...names), replaces };

  const open = await newOrder(payload);
  const refused = await newOrder(payload);
  ca.fault('order', faults.invalidFromNow(faults.caaRefusal(...names)), { times: 1 });
  await client.post(String(open.headers['location']), null);
  const other = await newOrder(payload);

  assert.deepEqual([open.status, refused.status, other.status], [201, 409, 201]);
  assert.match(jsonOf(refused).type, /alreadyReplaced$/);
  assert.notEqual(other.headers['location'], open.headers['location']);
});

test('there is no list of orders', async () => {
  const account = await client.post(client.directory['newAccount'] ?? '', { onlyReturnExisting: true });

  assert.equal(jsonOf(account).orders, undefined);
});
