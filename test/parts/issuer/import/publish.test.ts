// A certificate that is there already goes into the bucket: with its origin, into all of its fleets, once, and never what was ended there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, messageOf } from '#contract/errors.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { type PresentCertificate, planPresent, publishPresent } from '../../../../lambda/import/publish.ts';
import { readPublished } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { certificate, edge, stage } from '../undo/stage.ts';

const pki = await createPki();
const core = fleetName.parse('core');
const [bought] = [await pki.issue({ names: ['shop.test', 'www.shop.test'] })];
const imported: ManifestEntry['issued'] = { origin: 'imported', importedAt: '2026-11-28T12:00:00.000Z' };
const acme = { directoryUrl: 'https://ca.test/directory', accountUrl: 'https://ca.test/account/1' };

async function importing(t: Parameters<typeof stage>[0]) {
  const operator = await stage(t);
  const { bucket, signing } = operator;
  const now = () => new Date();
  const audit = new AuditTrail(bucket, { by: 'op', command: 'pemfleet import' }, now);
  const source = { bucket, signing, now, log: () => undefined, audit };
  const present = (changes: Partial<PresentCertificate> = {}) => ({
    ...{ name: certificate('shop'), fleets: [edge, core], texts: [bought.combined], issued: imported },
    ...changes,
  });
  const into = async (changes: Partial<PresentCertificate> = {}) =>
    publishPresent(source, await planPresent(source, present(changes)), 'bought');
  return { ...operator, source, present, into };
}

test('what is imported is published to each of its fleets with its origin, in one commit each, and the trail says so', async (t) => {
  const { bucket, into, run } = await importing(t);

  const { changed } = await into();

  assert.deepEqual(changed, [edge, core]);
  for (const fleet of [edge, core]) {
    const entry = (await readPublished(bucket, fleet))?.manifest.certificates[certificate('shop')];
    assert.deepEqual([entry?.issued, entry?.identifiers], [imported, ['shop.test', 'www.shop.test']]);
    const key = layout.pem(fleet, certificate('shop'), entry?.pems[0]?.sha256 ?? '');
    assert.equal(String((await bucket.get(key))?.body), bought.combined);
  }
  const { lines } = JSON.parse((await run(auditCommand, 'audit', 'shop', '--json')).out);
  assert.deepEqual(
    lines.map(({ action, fleet, reason }: Record<string, string>) => [action, fleet, reason]),
    [
      ['imported', 'edge', 'bought'],
      ['imported', 'core', 'bought'],
    ],
  );
});

test('the same certificate a second time changes no byte of the manifest', async (t) => {
  const { bucket, into } = await importing(t);
  await into();
  const before = (await bucket.get(layout.root(edge)))?.etag;

  assert.deepEqual((await into()).changed, []);

  assert.equal((await bucket.get(layout.root(edge)))?.etag, before);
});

test('with the CA and the account that had it issued, it is one of ours from then on', async (t) => {
  const { entryOf, into, run } = await importing(t);

  await into({ issued: acme });

  assert.deepEqual((await entryOf('shop'))?.issued, acme);
  const { lines } = JSON.parse((await run(auditCommand, 'audit', 'shop', '--json')).out);
  assert.equal(lines.at(-1).action, 'adopted');
});

test('planning writes nothing; what an operator has ended in a fleet is refused', async (t) => {
  const { bucket, present, publisher, into, source, entryOf } = await importing(t);
  await planPresent(source, present());
  assert.equal(await bucket.get(layout.root(edge)), undefined);
  await into();
  const { sha256 = '', notAfter = '' } = (await entryOf('shop'))?.pems[0] ?? {};
  await publisher().endPems(certificate('shop'), [{ sha256, notAfter }], { reason: 'withdrawn' });

  const error: unknown = await into().catch((reason: unknown) => reason);

  assert.equal(codeOf(error), 'ERR_IMPORT');
  assert.match(messageOf(error), /shop: \w+ was withdrawn at \S+ in fleet edge, and never comes back/);
});

test('a PEM that breaks a rule is refused before anything is written', async (t) => {
  const { bucket, into } = await importing(t);
  const other = await pki.issue({ names: ['other.test'] });
  const foreign = bought.leafPem + bought.chainPem.join('') + other.keyPem;

  const error: unknown = await into({ texts: [foreign] }).catch((reason: unknown) => reason);

  assert.equal(codeOf(error), 'ERR_PEM_KEY_MISMATCH');
  assert.equal(await bucket.get(layout.root(edge)), undefined);
});
