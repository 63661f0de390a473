// What adopt publishes: all of it is judged before the first word is written, and an operator's hold counts.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { certificateName, fleetName } from '#contract/layout.ts';
import { DirectoryBucket } from '#storage/directory.ts';
import { pathsBelow } from '../../../../lambda/adopt/apply/entries.ts';
import { previewBucket, putIntoBucket } from '../../../../lambda/adopt/apply/into-bucket.ts';
import type { AdoptionPlan } from '../../../../lambda/adopt/plan/adoption-plan.ts';
import { commandActor } from '../../../../lambda/audit/actor.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import { directoryNamed } from '../../../../lambda/config/known-cas.ts';
import { type HoldSubject, writeHold } from '../../../../lambda/hold/holds.ts';
import { createPki, type IssuedLeaf, type Pki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const DIRECTORY = 'https://ca.test/directory';
const now = () => new Date();
const replaceTrusted = false;
let pki: Pki;
let [first, second]: IssuedLeaf[] = [];
before(async () => {
  pki = await createPki();
  [first, second] = [await pki.issue({ names: ['a.test'] }), await pki.issue({ names: ['b.test'] })];
});

function planOf(
  certificates: Record<string, IssuedLeaf | undefined>,
  directoryUrl = DIRECTORY,
): AdoptionPlan {
  const adopted = Object.entries(certificates).map(([name, issued]) => ({
    name: certificateName.parse(name),
    files: [{ pem: { text: issued?.combined, leaf: new X509Certificate(issued?.leafPem ?? '') } }],
    issued: { directoryUrl, accountUrl: directoryUrl },
    spec: { identifiers: [`${name}.test`], from: 'test' },
  }));
  return { certificates: adopted, cas: [] } as unknown as AdoptionPlan;
}

/** Without the files of its locks. */
const contentOf = (directory: string) => pathsBelow(directory).filter((path) => !path.startsWith('.'));

const held: HoldSubject[] = [
  { fleet: fleetName.parse('default') },
  // The second one: the first is not published either.
  { certificate: certificateName.parse('b') },
];

for (const subject of held) {
  test(`${JSON.stringify(subject)} is held: what it concerns is refused and told, and nothing is written`, async (t) => {
    const directory = tempDir(t);
    const bucket = await DirectoryBucket.open(directory);
    await writeHold(bucket, subject, { at: now().toISOString(), reason: 'an audit', by: 'ops' });
    const before = contentOf(directory);
    const work = { bucket, plan: planOf({ a: first, b: second }), replaceTrusted, now, log: () => undefined };
    const audit = new AuditTrail(bucket, commandActor(['adopt'], {}, undefined), now);

    const says = /held \(an audit\): pemfleet resume .* ends that/;
    const { published, refused } = await previewBucket(work);
    const isFleet = 'fleet' in subject;
    assert.deepEqual([published, [...refused.keys()]], isFleet ? [[], ['a', 'b']] : [['a'], ['b']]);
    for (const { message } of refused.values()) assert.match(message, says);
    await assert.rejects(putIntoBucket({ ...work, audit }), says);

    assert.deepEqual(contentOf(directory), before);
  });
}

test('a preview names what is new, and writes nothing; what is published already is not published again, and may be held', async (t) => {
  const directory = tempDir(t);
  const bucket = await DirectoryBucket.open(directory);
  const empty = contentOf(directory);
  const work = { bucket, plan: planOf({ a: first, b: second }), replaceTrusted, now, log: () => undefined };
  const audit = new AuditTrail(bucket, commandActor(['adopt'], {}, undefined), now);

  assert.deepEqual((await previewBucket(work)).published, ['a', 'b']);
  assert.deepEqual(contentOf(directory), empty);
  assert.deepEqual((await putIntoBucket({ ...work, audit })).published, ['a', 'b']);
  await writeHold(
    bucket,
    { fleet: fleetName.parse('default') },
    { at: now().toISOString(), reason: '', by: '' },
  );
  assert.deepEqual((await previewBucket(work)).published, []);
  assert.deepEqual((await putIntoBucket({ ...work, audit })).published, []);
});

test('a staging certificate takes the place of none that browsers trust, unless that is meant', async (t) => {
  const bucket = await DirectoryBucket.open(tempDir(t));
  const audit = new AuditTrail(bucket, commandActor(['adopt'], {}, undefined), now);
  const work = { bucket, replaceTrusted, now, log: () => undefined, audit };
  const [trusted, staging] = ['letsencrypt', 'letsencrypt-staging'].map(directoryNamed);
  await putIntoBucket({ ...work, plan: planOf({ a: first }, trusted) });
  const notAfter = new Date(Date.now() + 200 * 86_400_000);
  const plan = planOf({ a: await pki.issue({ names: ['a.test'], notAfter }) }, staging);

  const [refused] = [...(await previewBucket({ ...work, plan })).refused];
  assert.deepEqual([refused?.[0], refused?.[1].name], ['a', 'UntrustedIssuer']);
  await assert.rejects(putIntoBucket({ ...work, plan }), { code: 'ERR_CA_UNTRUSTED' });
  const meant = await putIntoBucket({ ...work, plan, replaceTrusted: true });

  assert.deepEqual(meant.published, ['a']);
});

test('an older certificate than the one that the fleet has is refused', async (t) => {
  const bucket = await DirectoryBucket.open(tempDir(t));
  const newer = await pki.issue({ names: ['a.test'], notAfter: new Date(Date.now() + 200 * 86_400_000) });
  const audit = new AuditTrail(bucket, commandActor(['adopt'], {}, undefined), now);
  const work = { bucket, replaceTrusted, now, log: () => undefined, audit };
  await putIntoBucket({ ...work, plan: planOf({ a: newer }) });

  await assert.rejects(
    putIntoBucket({ ...work, plan: planOf({ a: first }) }),
    /fleet default has \S+, which ends at .*; this one ends earlier/,
  );
});
