// A CA that is in no table issues what browsers do not trust: its certificate does not take the place of one that they do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { entryFor } from '../../support/agent/publish.ts';
import { fleet, makeEntry, named } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { ordersAsked, startStage } from '../../support/issuer/stage.ts';
import { createPki } from '../../support/parts/pki.ts';

test('what it has issued is not published, stays its order, and is published once that is meant', async (t) => {
  const stage = await startStage(t);
  const pki = await createPki();
  const { combined } = await pki.issue({ names: ['a.test'] });
  const { issued } = makeEntry();
  const entry = makeEntry({ ...entryFor(combined, ['a.test']), issued });
  const sha256 = entry.pems[0]?.sha256 ?? '';
  const signing = await openSigningKey(stage.bucket, { fleets: [fleet] });
  const now = () => new Date();
  const publisher = new Publisher(stage.bucket, fleet, publisherOptions(stage.bucket, signing, now));
  await publisher.publish(named('a.test'), entry, [{ sha256, text: combined }]);
  const pass = (options = {}) =>
    stage.pass([{ identifiers: ['a.test'] }], options, { trustedRoots: [pki.rootPem] });
  const inForce = async () => {
    const { manifest } = (await readPublished(stage.bucket, fleet)) ?? {};
    return manifest?.certificates[named('a.test')]?.pems[0]?.sha256;
  };

  const [refused] = await pass();
  const [waiting] = await pass();
  const between = await inForce();
  const [meant] = await pass({ replaceTrusted: true });

  assert.deepEqual([refused?.result, refused?.error?.code], ['failed', 'ERR_CA_UNTRUSTED']);
  assert.match(refused?.error?.message ?? '', /has issued is not published .*--replace-trusted/);
  assert.deepEqual([waiting?.reason, between], ['trusted-in-force', sha256]);
  assert.equal(meant?.result, 'issued', JSON.stringify(meant));
  assert.notEqual(await inForce(), sha256);
  assert.equal(ordersAsked(stage), 1);
  assert.equal(await stage.bucket.get(layout.order(named('a.test'))), undefined);
});
