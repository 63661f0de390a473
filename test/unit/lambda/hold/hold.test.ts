/** What an operator holds is not renewed, and nothing new of it is published, until it is revoked or has less than a fifth of its life left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { BucketError } from '#contract/errors.ts';
import { fleetName, layout } from '#contract/layout.ts';
import { metricsOf } from '../../../../lambda/figures/metrics.ts';
import { endHold, readHold, readHolds, writeHold } from '../../../../lambda/hold/holds.ts';
import { Holds } from '../../../../lambda/hold/in-force.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { fleetHold, holdOnAll } from '../../../../lambda/pass/operator/held.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { copyToFleets } from '../../../../lambda/publication/entry.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import {
  fleet,
  makeDueInput,
  makeEntry,
  makePemRef,
  makeRecord,
  makeSpec,
  named,
} from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { readPublished, testPublisher } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';

const inDays = (days: number) => after(noon, days * DAY_MS);
const hold = { reason: 'old phones refuse the new chain' };
const word = { at: noon.toISOString(), by: 'root on h', ...hold };
const lastCall = inDays(72);

for (const [says, input, reason, until] of [
  ['fresh: nothing is due', {}, 'fresh', inDays(60)],
  ['due by its lifetime', { now: inDays(65) }, 'held', lastCall],
  ['forced: an operator who means it resumes it', { forced: true }, 'held', lastCall],
  ['to be replaced, with others', { replaceSince: noon }, 'held', lastCall],
  ['other names are configured', { spec: makeSpec({ identifiers: ['b.test'] }) }, 'held', lastCall],
  ['an order is in flight', { record: makeRecord() }, 'held', lastCall],
  ['a hold that ends before', { now: inDays(65), hold: { ...hold, until: inDays(66) } }, 'held', inDays(66)],
  ['less than a fifth of its life is left', { now: lastCall }, 'lifetime', undefined],
  ['revoked', { revoked: new Set([makePemRef().sha256]) }, 'revoked', undefined],
] as const) {
  test(`hold: ${says}: ${reason}`, () => {
    const decision = decide(makeDueInput({ hold, ...input }));

    assert.equal(decision.reason, reason);
    assert.deepEqual('until' in decision ? decision.until : undefined, until);
  });
}

const due = () =>
  makeEntry({
    pems: [makePemRef({ notAfter: inDays(25).toISOString(), notBefore: inDays(-65).toISOString() })],
  });
const SPECS = [{ identifiers: ['a.test'] }];
const subject = { certificate: named('a.test') };

test('a pass orders nothing that is held, and says why it is', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', due());
  await writeHold(bucket, subject, word);
  const { run, events } = passOver(bucket);

  const [outcome] = await run(SPECS);

  assert.deepEqual(
    [outcome?.result, outcome?.reason, outcome?.heldBackBy],
    ['deferred', 'held', hold.reason],
  );
  assert.deepEqual(events.fieldsOf('certificate.due'), []);
});

test('a hold whose time is over counts no more', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', due());
  await writeHold(bucket, subject, { ...word, until: noon.toISOString() });

  const [outcome] = await passOver(bucket).run(SPECS);

  // The CA is out of reach in these tests.
  assert.deepEqual([outcome?.result, outcome?.reason], ['failed', 'lifetime']);
});

test('a broken hold is told, with what the operator has said', async () => {
  const bucket = memoryBucket();
  const ending = makePemRef({ notAfter: inDays(10).toISOString(), notBefore: inDays(-80).toISOString() });
  await publishEntry(bucket, 'a.test', makeEntry({ pems: [ending] }));
  await writeHold(bucket, subject, word);
  const { run, events } = passOver(bucket);

  const [outcome] = await run(SPECS);

  assert.equal(outcome?.result, 'failed');
  assert.deepEqual(events.fieldsOf('hold.broken'), [
    { certificate: 'a.test', reason: 'lifetime', hold: hold.reason },
  ]);
});

test('a document that cannot be read holds all the same, is told, and concerns no other certificate', async () => {
  const bucket = memoryBucket();
  await publishEntry(bucket, 'a.test', due());
  await publishEntry(bucket, 'b.test', { ...due(), identifiers: ['b.test'] });
  bucket.plant(layout.certificateHold(named('a.test')), '[[[');
  const { run, events } = passOver(bucket);

  const outcomes = await run([...SPECS, { identifiers: ['b.test'] }]);

  assert.deepEqual(
    outcomes.map(({ certificate, reason }) => `${certificate} ${reason}`),
    ['a.test held', 'b.test lifetime'],
  );
  assert.deepEqual(
    events.fieldsOf('hold.unreadable').map(({ hold: of, code }) => [of, code]),
    [['a.test', 'ERR_HOLD']],
  );
});

for (const [says, first] of [
  ['a hold', JSON.stringify({ version: 1, ...word })],
  ['what cannot be read', '[[['],
] as const) {
  test(`${says} is ended, and one that somebody has written meanwhile stays`, async () => {
    const bucket = memoryBucket();
    bucket.plant(layout.certificateHold(subject.certificate), first);
    const read = await readHold(bucket, subject);
    assert.ok(read);
    const later = { ...word, at: inDays(1).toISOString(), reason: 'an audit' };
    await writeHold(bucket, subject, later);

    assert.equal(await endHold(bucket, read, inDays(1)), false);
    const [stays] = await readHolds(bucket);
    assert.deepEqual(stays?.word, later);

    const again = await readHold(bucket, subject);
    assert.ok(again);
    assert.equal(await endHold(bucket, again, inDays(2)), true);
    assert.deepEqual([await readHolds(bucket), await readHold(bucket, subject)], [[], undefined]);
    const former = JSON.parse(bucket.text(layout.certificateHold(subject.certificate)) ?? '');
    assert.equal(former.until, inDays(2).toISOString(), 'for former issuers it is over');
  });
}

test('what is no hold of ours is none', async () => {
  const bucket = memoryBucket();
  bucket.plant('issuer/hold/certificate/Not A Name.json', '{}');
  bucket.plant('issuer/hold/host/lb1.json', '{}');

  assert.deepEqual(await readHolds(bucket), []);
});

test('nothing is published to a fleet that is held; another fleet of the certificate gets it, and the held one when it is resumed', async () => {
  const [held, other] = [fleet, fleetName.parse('other')];
  const validity = { notBefore: inDays(-1), notAfter: inDays(89) };
  const text = (await (await createPki()).issue({ names: ['a.test'], ...validity })).combined;
  const [sha256, bucket] = [digest(text), memoryBucket()];
  const publishers = new Map([held, other].map((one) => [one, testPublisher(bucket, one)]));
  const old = makeEntry({ publishedAt: inDays(-2).toISOString() });
  await publishEntry(bucket, 'a.test', old);
  const newest = makeEntry({ pems: [makePemRef({ sha256 })] });
  await publishers.get(other)?.publish(named('a.test'), newest, [{ sha256, text }]);
  const read = async () =>
    new Map(
      await Promise.all([held, other].map(async (one) => [one, await readPublished(bucket, one)] as const)),
    );
  const holds = new Holds({ stored: [{ subject: { fleet: held }, word }], now: noon });
  const manifests = await read();
  const view = { holds, manifests, revoked: new Set<string>() };
  const spec = makeSpec({ fleets: [held, other] });
  const deps = { bucket, log: recordEvents().log, timing: fakeClock(), publishers, manifests };
  const holdIn = (one: typeof held, name: typeof spec.name) => fleetHold(view, one, name, noon);
  const inForce = async () =>
    (await read()).get(held)?.manifest.certificates[named('a.test')]?.pems[0]?.sha256;

  await copyToFleets(deps, { ...deps, holdIn }, spec, newest);
  const whileHeld = await inForce();
  await copyToFleets(deps, deps, spec, newest);

  assert.equal(whileHeld, old.pems[0]?.sha256);
  assert.equal(await inForce(), sha256);
  assert.equal(
    holdOnAll({ holds, holdIn }, spec, old),
    undefined,
    'one of its fleets is open: it is renewed',
  );
  assert.equal(holdOnAll({ holds, holdIn }, makeSpec({ fleets: [held] }), old)?.reason, hold.reason);
  const late = (name: typeof spec.name) => fleetHold(view, held, name, inDays(89));
  assert.equal(late(named('a.test')), undefined, 'less than a fifth of its life is left there');
  assert.equal(late(named('new.test'))?.reason, hold.reason, 'it was never published there');
});

test('what is held is counted as held, and is not overdue', async () => {
  const bucket = memoryBucket();
  const late = makePemRef({ notAfter: inDays(21).toISOString(), notBefore: inDays(-69).toISOString() });
  await publishEntry(bucket, 'a.test', makeEntry({ pems: [late] }));
  await writeHold(bucket, subject, word);
  const { isHeld } = await runPass(passOver(bucket).passFor(SPECS));
  const published = [
    { fleet, certificate: 'a.test', notBefore: new Date(late.notBefore), notAfter: new Date(late.notAfter) },
  ];
  const facts = { ...makeFacts(), published, now: noon };

  const [held, resumed] = [metricsOf({ ...facts, isHeld }), metricsOf({ ...facts, isHeld: () => false })];

  assert.deepEqual([held.CertificatesHeld, held.CertificatesOverdue], [1, 0]);
  assert.deepEqual([resumed.CertificatesHeld, resumed.CertificatesOverdue], [0, 1]);
});

function makeFacts() {
  const none = { outcomes: [], failing: [], missing: [], unconfigured: [] };
  return { ...none, fleets: [], failedCalls: [] };
}

test('holds that cannot be listed may be of any certificate and of any fleet: rather all is held', () => {
  const error = new BucketError('ERR_BUCKET_UNREACHABLE', layout.holds, 'does not answer');
  const holds = new Holds({ stored: [], error, now: noon });

  assert.match(String(holds.ofFleet(fleet)?.reason), /does not answer/);
  assert.match(String(holds.ofCertificate(named('a.test'))?.reason), /does not answer/);
});
