/** What settings make of the trust record, and what is true of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetName } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { generatePrivateKey, type PublicKey, signerOf } from '#contract/statement.ts';
import { conditionsOf } from '../../../../agent/trust/conditions.ts';
import {
  mergeTrust,
  newTrust,
  trustRecord,
  withAccepted,
  withFollowed,
  withPinned,
} from '../../../../agent/trust/record.ts';

const [first, second, third, recovery] = Array.from(
  { length: 4 },
  () => signerOf(generatePrivateKey()).key,
) as [PublicKey, PublicKey, PublicKey, PublicKey];
const fleet = fleetName.parse('edge');
const contact = withAccepted(newTrust({ key: first }, false), fleet, { lineage: 'ours', sequence: 7 });
const rotated = withFollowed(contact, { lineage: 'ours', key: second, number: 1, recoveredAt: 0 });

test('no setting: the record stays, unconfirmed as it is', () => {
  assert.equal(withPinned(contact, undefined), contact);
  assert.equal(withPinned(undefined, undefined), undefined);
});

test('a setting without a record: that key, of whatever lineage', () => {
  const pinned = withPinned(undefined, { key: first, recoveryKey: recovery });

  assert.deepEqual(pinned, newTrust({ key: first, recoveryKey: recovery }, true));
});

test('a setting that names the key, or one that led to it, confirms it and changes nothing else', () => {
  for (const key of [second, first]) {
    assert.deepEqual(withPinned(rotated, { key }), { ...rotated, isConfirmed: true });
  }
  const confirmed = { ...rotated, isConfirmed: true };
  assert.equal(withPinned(confirmed, { key: first }), confirmed, 'equal is not written again');
});

test('a setting that names another key counts more; what sequence the lineage had is not forgotten', () => {
  const pinned = withPinned(rotated, { key: third });

  assert.deepEqual([pinned?.trusted.key, pinned?.trusted.lineage], [third, undefined]);
  assert.equal(pinned?.floors[fleet]?.sequence, 7);
});

test('the parameter tells a new lineage', () => {
  assert.equal(withPinned(rotated, { key: third, lineage: 'new' })?.trusted.lineage, 'new');
  assert.equal(withPinned(rotated, { key: second, lineage: 'new' })?.trusted.lineage, 'new');
});

test('a recovery key of the settings is taken, one that led to another is not taken back', () => {
  const taken = withPinned(contact, { key: first, recoveryKey: recovery });
  assert.equal(taken?.trusted.recoveryKey, recovery);
  assert.ok(taken !== undefined);

  const changed = withFollowed(taken, { ...taken.trusted, recoveryKey: third });
  assert.equal(withPinned(changed, { key: first, recoveryKey: recovery })?.trusted.recoveryKey, third);
});

const floorAt = (sequence: number, lineage = 'ours') => ({ [fleet]: { lineage, sequence } });
const own = { ...newTrust({ lineage: 'ours', key: first }, false), floors: floorAt(5) };

test('of several records the first counts; the others raise its floors, and confirm its key', () => {
  assert.equal(mergeTrust([]), undefined);
  assert.deepEqual(mergeTrust([own]), own);

  const merged = mergeTrust([
    own,
    { ...own, isConfirmed: true, floors: floorAt(4) },
    { ...own, floors: floorAt(7) },
  ]);

  assert.deepEqual([merged?.isConfirmed, merged?.floors], [true, floorAt(7)]);
});

test('a record of another issuer, or of a key that the first did not follow from, adds nothing', () => {
  const theirs = { ...newTrust({ lineage: 'theirs', key: first }, true), floors: floorAt(9, 'theirs') };
  const stranger = { ...newTrust({ lineage: 'ours', key: third }, true), floors: floorAt(9) };

  assert.deepEqual(mergeTrust([own, theirs, stranger]), own);
  const former = { ...own, formerKeys: [third] };
  assert.deepEqual(
    mergeTrust([former, stranger]),
    { ...former, floors: floorAt(9) },
    'it followed from there',
  );
});

test('a record survives its document; one that is broken is none', () => {
  const document: object = JSON.parse(JSON.stringify({ ...rotated, later: 1 }));

  assert.deepEqual(trustRecord.parse(document), document);
  for (const [member, value] of [
    ['trusted', { ...rotated.trusted, key: 'x' }],
    ['floors', { edge: { lineage: 'ours', sequence: -1 } }],
    ['isConfirmed', 'yes'],
    ['formerKeys', [`${first}=`]],
  ] as const) {
    assert.equal(trustRecord.safeParse({ ...rotated, [member]: value }).success, false, member);
  }
});

const signedAt = '2026-11-27T09:00:00.000Z';
const manifest = { ...emptyManifest(fleet, new Date(signedAt)), version: 2 as const, signedAt };
const dayLater = (ms: number) => new Date(Date.parse(signedAt) + 86_400_000 + ms);
const names = (facts: Partial<Parameters<typeof conditionsOf>[0]>) =>
  conditionsOf({
    manifest,
    trust: { ...contact, isConfirmed: true },
    refusal: undefined,
    storeTime: new Date(signedAt),
    ...facts,
  }).map(({ condition }) => condition);

test('conditions: none, first contact, frozen by the store, unsigned', () => {
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ trust: contact }), ['key-unverified']);
  assert.deepEqual(names({ storeTime: dayLater(0) }), []);
  assert.deepEqual(names({ storeTime: dayLater(1) }), ['frozen-manifest']);
  assert.deepEqual(names({ storeTime: undefined }), [], 'no answer, no clock');
  assert.deepEqual(names({ manifest: emptyManifest(fleet, new Date()), storeTime: dayLater(1) }), [
    'unsigned-manifest',
  ]);
  assert.deepEqual(names({ manifest: undefined, trust: undefined }), []);
  assert.deepEqual(names({ clockOffsetMs: -60_000 }), []);
  assert.deepEqual(names({ clockOffsetMs: 60_001 }), ['clock-off']);
});
