/** A pass over what is published and not configured: what stays, what ends by itself, what moves without an order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { parseHostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, type FleetName, fleetName, hostName, layout } from '#contract/layout.ts';
import { serializeCached } from '#storage/cached-document.ts';
import { NO_SUMMARIES } from '../../../../lambda/fleet/hosts.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import type { PassOptions } from '../../../../lambda/pass.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, fleet, makeEntry, makeHostStatus } from '../../../support/issuer/documents.ts';
import { passOver } from '../../../support/issuer/pass.ts';
import { readPublished, testPublisher } from '../../../support/issuer/signing.ts';
import { createPki, type LeafOptions, type Pki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const old = fleetName.parse('old');
const dates = { notBefore: after(noon, -30 * DAY_MS), notAfter: after(noon, 60 * DAY_MS) };

interface Later extends Pick<LeafOptions, 'keyType'> {
  /** Than the others were issued, in ms. */
  later?: number;
  /** Than the others end, in ms; default: as much as it was issued later. */
  endsLater?: number;
}

async function stage() {
  const bucket = memoryBucket(() => noon);
  const pems = new Map<string, string>();
  const publish = async (
    name: string,
    names: string[],
    ...[of = fleet, by = pki, { later = 0, endsLater, keyType = 'ec-p256' } = {}]: [FleetName?, Pki?, Later?]
  ) => {
    const notBefore = after(dates.notBefore, later);
    const notAfter = after(dates.notAfter, endsLater ?? later);
    const { combined } = await by.issue({ names, notBefore, notAfter, keyType });
    const { publishedAt, issued } = makeEntry();
    const entry = makeEntry({ ...entryFor(combined, names), publishedAt, issued });
    const sha256 = entry.pems[0]?.sha256 ?? '';
    pems.set(name, sha256);
    await testPublisher(bucket, of).publish(certificateName.parse(name), entry, [{ sha256, text: combined }]);
  };
  /** A host that serves these. */
  const report = async (host: string, names: string[], changes: Partial<HostStatus> = {}) => {
    const files = names.map((name): FileStatus => {
      const certificate = certificateName.parse(name);
      const wanted = { sha256: pems.get(name) ?? '', serial: '0A' };
      return { file: `${name}.pem`, certificate, state: 'served', since: noon.toISOString(), wanted };
    });
    const status = makeHostStatus(host, { files, ...changes });
    await bucket.put(layout.status(status.fleet, status.host), serializeHostStatus(status));
  };
  const pass = async (certificates: object[], options: PassOptions = {}) => {
    const { passFor, events } = passOver(bucket, { trustedRoots: [pki.rootPem] });
    const result = await runPass(passFor(certificates, options));
    const unconfigured = (result.unconfigured ?? []).map(
      ({ fleet: of, certificate, result: kind, reason }) => `${of}/${certificate} ${kind}: ${reason}`,
    );
    return { ...result, unconfigured, full: result.unconfigured ?? [], events };
  };
  const manifest = async (of: FleetName = fleet) => {
    const read = await readPublished(bucket, of);
    if (read === undefined) throw new Error(`nothing is published to ${of}`);
    return read.manifest;
  };
  return { bucket, publish, report, pass, manifest };
}

const certificate = (name: string) => certificateName.parse(name);

test('A5: identifiers in another order: the old name ends by itself once every host has proved the new one', async () => {
  const { publish, report, pass, manifest } = await stage();
  const names = ['www.test', 'a.test'];
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', names);
  const config = [{ identifiers: names }];
  await report('lb1', ['a.test', 'www.test']);
  await report('lb2', ['a.test']);

  const before = await pass(config);
  await report('lb2', ['a.test', 'www.test']);
  const after = await pass(config);

  assert.deepEqual(before.unconfigured, ['default/a.test kept: not-proved']);
  assert.deepEqual([before.full[0]?.by, before.full[0]?.hosts], [['www.test'], ['lb2']]);
  assert.deepEqual(after.unconfigured, ['default/a.test superseded: superseded']);
  const { certificates, tombstones } = await manifest();
  assert.deepEqual(Object.keys(certificates), ['www.test']);
  const tombstone = tombstones[certificate('a.test')];
  assert.deepEqual(
    [tombstone?.reason, tombstone?.by, tombstone?.pems.length],
    ['superseded', ['www.test'], 1],
  );
  assert.deepEqual(after.events.fieldsOf('certificate.superseded').length, 1);
  assert.ok(after.changed.includes(fleet));
});

/** Two certificates of these names, published one after the other, and neither is configured. */
async function twoUnconfigured(older: string[], newer: string[], changes: Later = {}) {
  const { bucket, publish, report, pass, manifest } = await stage();
  await publish('older', older);
  await publish('newer', newer, fleet, pki, { later: DAY_MS, ...changes });
  await publish('a.test', ['a.test']);
  await report('lb1', ['older', 'newer', 'a.test']);
  return {
    bucket,
    report,
    manifest,
    pass: (options?: PassOptions) => pass([{ identifiers: ['a.test'] }], options),
  };
}

test('renamed, then taken out of the configuration before the first name has ended: it ends nonetheless, behind the newer one', async () => {
  const { report, pass, manifest } = await twoUnconfigured(['b.test'], ['b.test', 'www.test']);
  await report('lb2', ['older', 'a.test']);

  const before = await pass();
  await report('lb2', ['older', 'newer', 'a.test']);
  const { unconfigured } = await pass();

  assert.deepEqual(before.unconfigured, [
    'default/newer kept: not-covered',
    'default/older kept: not-proved',
  ]);
  assert.deepEqual(unconfigured, ['default/newer kept: not-covered', 'default/older superseded: superseded']);
  const { certificates, tombstones } = await manifest();
  assert.deepEqual(Object.keys(certificates).sort(), ['a.test', 'newer']);
  assert.deepEqual(tombstones[certificate('older')]?.by, ['newer']);
});

const STAYS: Readonly<Record<string, Parameters<typeof twoUnconfigured>>> = {
  'has not all of its names': [['b.test', 'www.test'], ['b.test']],
  'has another kind of key': [['b.test'], ['b.test'], { keyType: 'rsa-2048' }],
  'ends earlier': [['b.test'], ['b.test'], { endsLater: -DAY_MS }],
  'was issued at the same time': [['b.test'], ['b.test'], { later: 0, endsLater: DAY_MS }],
};
for (const [why, scene] of Object.entries(STAYS)) {
  test(`of two that nobody configures, the older one stays where the newer one ${why}`, async () => {
    const { pass } = await twoUnconfigured(...scene);

    const { unconfigured } = await pass();

    assert.deepEqual(unconfigured, ['default/newer kept: not-covered', 'default/older kept: not-covered']);
  });
}

test('what an operator wants revoked takes the place of no other one: nobody orders it anew', async () => {
  const { bucket, manifest, pass } = await twoUnconfigured(['b.test'], ['b.test']);
  const { certificates } = await manifest();
  const { sha256 = '', serial = '' } = certificates[certificate('newer')]?.pems[0] ?? {};
  const document = {
    ...{ version: 1, at: noon.toISOString(), reason: 'superseded', by: 'a test' },
    pems: [{ sha256, serial, directoryUrl: DIRECTORY_URL }],
  };
  await bucket.put(layout.revocation(certificate('newer')), JSON.stringify(document));

  const { unconfigured } = await pass();

  assert.ok(unconfigured.includes('default/older kept: not-covered'), unconfigured.join());
});

test('what is lost in the bucket takes the place of no other one', async () => {
  const { bucket, manifest, pass } = await twoUnconfigured(['b.test'], ['b.test']);
  const { certificates } = await manifest();
  await bucket.delete(
    layout.pem(fleet, certificate('newer'), certificates[certificate('newer')]?.pems[0]?.sha256 ?? ''),
  );

  const { unconfigured } = await pass();

  assert.ok(unconfigured.includes('default/older kept: not-covered'), unconfigured.join());
});

test('successors that are needed for a name which the CA has added to the leaf count as the others do', async () => {
  const { bucket, publish, report, pass } = await stage();
  const { combined } = await pki.issue({ names: ['a.test', 'www.test'], ...dates });
  const entry = makeEntry({ ...entryFor(combined, ['a.test']), issued: makeEntry().issued });
  const [{ sha256 } = { sha256: '' }] = entry.pems;
  await testPublisher(bucket, fleet).publish(certificate('old'), entry, [{ sha256, text: combined }]);
  await publish('a.test', ['a.test']);
  await publish('www.test', ['www.test']);
  await report('lb1', ['a.test', 'www.test']);

  const { unconfigured } = await pass([{ identifiers: ['a.test'] }, { identifiers: ['www.test'] }]);

  assert.deepEqual(unconfigured, ['default/old superseded: superseded']);
});

test('of three that nobody configures, both older ones end behind the newest', async () => {
  const { publish, report, pass, manifest } = await stage();
  for (const [day, name] of ['first', 'second', 'third'].entries()) {
    await publish(name, ['b.test'], fleet, pki, { later: day * DAY_MS });
  }
  await publish('a.test', ['a.test']);
  await report('lb1', ['first', 'second', 'third', 'a.test']);

  await pass([{ identifiers: ['a.test'] }]);

  const { certificates, tombstones } = await manifest();
  assert.deepEqual(Object.keys(certificates).sort(), ['a.test', 'third']);
  assert.deepEqual(
    ['first', 'second'].map((name) => tombstones[certificate(name)]?.by),
    [['third'], ['third']],
  );
});

test('a certificate that browsers trust does not end because one that they do not trust has its names, unless that is meant', async () => {
  const { publish, report, pass, manifest } = await stage();
  const names = ['a.test', 'www.test'];
  await publish('a.test', names);
  await publish('web', names, fleet, await createPki());
  await report('lb1', ['a.test', 'web']);
  const config = [{ name: 'web', identifiers: names }];

  const { unconfigured, full } = await pass(config);

  assert.deepEqual(unconfigured, ['default/a.test kept: trusted-in-force']);
  assert.deepEqual(full[0]?.uncovered, names);
  assert.deepEqual(Object.keys((await manifest()).certificates), ['a.test', 'web']);
  const meant = await pass(config, { replaceTrusted: true });
  assert.deepEqual(meant.unconfigured, ['default/a.test superseded: superseded']);
});

test('what ends in one pass shares commits', async () => {
  const { bucket, publish, report, pass, manifest } = await stage();
  const names = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test'];
  for (const name of names) await publish(name, [name]);
  await publish('all.test', ['all.test', ...names]);
  await report('lb1', ['all.test', ...names]);
  bucket.calls.splice(0);

  const { unconfigured } = await pass([{ identifiers: ['all.test', ...names] }]);

  assert.deepEqual(
    unconfigured,
    names.map((name) => `default/${name} superseded: superseded`),
  );
  assert.deepEqual(Object.keys((await manifest()).certificates), ['all.test']);
  const writes = bucket.calls.filter((call) => call === `put ${layout.root(fleet)}`);
  assert.ok(writes.length <= 2, `${writes.length} writes of the root`);
});

test('a dry run says that it would end, and changes nothing', async () => {
  const { bucket, publish, report, pass } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);
  await report('lb1', ['a.test', 'www.test']);
  const before = bucket.text(layout.root(fleet));

  const { unconfigured } = await pass([{ identifiers: ['www.test', 'a.test'] }], { dryRun: true });

  assert.deepEqual(unconfigured, ['default/a.test kept: superseded']);
  assert.equal(bucket.text(layout.root(fleet)), before);
});

test('a name that the CA has added to the leaf counts: while nobody else has it, the certificate stays', async () => {
  const { bucket, publish, report, pass, manifest } = await stage();
  const { combined } = await pki.issue({ names: ['www.test', 'test.test'], ...dates });
  const entry = makeEntry({ ...entryFor(combined, ['www.test']), issued: makeEntry().issued });
  const [{ sha256 } = { sha256: '' }] = entry.pems;
  await testPublisher(bucket, fleet).publish(certificate('old'), entry, [{ sha256, text: combined }]);
  await publish('www.test', ['www.test']);
  await report('lb1', ['www.test']);

  const { unconfigured, full } = await pass([{ identifiers: ['www.test'] }]);

  assert.deepEqual(unconfigured, ['default/old kept: not-covered']);
  assert.deepEqual(full[0]?.uncovered, ['test.test']);
  assert.ok(certificate('old') in (await manifest()).certificates);
});

test('A6: taken out of the configuration: it stays, and each pass says until when', async () => {
  const { publish, report, pass, manifest } = await stage();
  await publish('a.test', ['a.test']);
  await publish('gone.test', ['gone.test']);
  await report('lb1', ['a.test', 'gone.test']);

  const { unconfigured, full, events } = await pass([{ identifiers: ['a.test'] }]);

  assert.deepEqual(unconfigured, ['default/gone.test kept: not-covered']);
  assert.equal(full[0]?.notAfter, dates.notAfter.toISOString());
  assert.deepEqual(Object.keys((await manifest()).certificates).sort(), ['a.test', 'gone.test']);
  assert.deepEqual(events.fieldsOf('certificate.unconfigured')[0]?.['fleet'], 'default');
});

test('a pass over one certificate takes the others for configured, whether they are or not', async () => {
  const { publish, report, pass, manifest } = await stage();
  for (const name of ['a.test', 'b.test', 'c.test']) await publish(name, [name]);
  await report('lb1', ['a.test', 'b.test', 'c.test']);
  const config = [{ identifiers: ['a.test'] }, { identifiers: ['b.test'] }];

  const { unconfigured, outcomes } = await pass(config, { only: [certificate('a.test')] });

  assert.deepEqual([unconfigured, outcomes.length], [[], 1]);
  assert.deepEqual(Object.keys((await manifest()).certificates).sort(), ['a.test', 'b.test', 'c.test']);
});

test('half of a configuration by mistake ends nothing', async () => {
  const { publish, report, pass, manifest } = await stage();
  const all = ['a.test', 'b.test', 'c.test', 'd.test'];
  for (const name of all) await publish(name, [name]);
  await report('lb1', all);

  const { unconfigured } = await pass([{ identifiers: ['a.test'] }]);

  assert.equal(unconfigured.length, 3);
  assert.deepEqual(Object.keys((await manifest()).certificates).sort(), all);
});

test('A4: a fleet is renamed while one of its names cannot be validated: the others are copied, the old fleet keeps all', async () => {
  const { publish, pass, manifest } = await stage();
  for (const name of ['a.test', 'b.test']) await publish(name, [name], old);
  const config = [
    { identifiers: ['a.test'] },
    { identifiers: ['b.test'] },
    // Its identifiers have changed meanwhile, and the CA is out of reach.
    { name: 'c.test', identifiers: ['c.test', 'new.test'] },
  ];

  const { outcomes, unconfigured, manifests } = await pass(config);

  assert.deepEqual(
    outcomes.map(({ certificate: name, result }) => `${name} ${result}`),
    ['a.test kept', 'b.test kept', 'c.test failed'],
  );
  assert.deepEqual(Object.keys((await manifest()).certificates).sort(), ['a.test', 'b.test']);
  assert.deepEqual(Object.keys((await manifest(old)).certificates).sort(), ['a.test', 'b.test']);
  assert.deepEqual(unconfigured, ['old/a.test kept: not-covered', 'old/b.test kept: not-covered']);
  assert.deepEqual([...manifests.keys()].sort(), ['default', 'old']);
});

test('A7: a certificate that moved is copied with what its next order has to replace', async () => {
  const { bucket, publish, pass, manifest } = await stage();
  await publish('a.test', ['a.test'], old);
  const { certificates } = await manifest(old);
  const before = certificates[certificate('a.test')];

  const { outcomes } = await pass([{ identifiers: ['a.test'] }]);

  const copied = (await manifest()).certificates[certificate('a.test')];
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['kept'],
  );
  assert.deepEqual(copied?.issued, { directoryUrl: DIRECTORY_URL, accountUrl: 'https://ca.test/account/1' });
  assert.deepEqual(
    [copied?.pems[0]?.sha256, copied?.pems[0]?.certId],
    [before?.pems[0]?.sha256, before?.pems[0]?.certId],
  );
  assert.ok(bucket.text(layout.pem(fleet, certificate('a.test'), copied?.pems[0]?.sha256 ?? '')));
});

/** Two fleets have had the same certificate, and one of them has given it up. */
async function withdrawnFromOne() {
  const { bucket, publish, pass, manifest } = await stage();
  await publish('a.test', ['a.test']);
  const text = bucket.text(layout.pem(fleet, certificate('a.test'), firstDigest(await manifest()))) ?? '';
  const entry = (await manifest()).certificates[certificate('a.test')];
  assert.ok(entry !== undefined);
  await testPublisher(bucket, old).publish(certificate('a.test'), entry, [
    { sha256: firstDigest(await manifest()), text },
  ]);
  await testPublisher(bucket, fleet).withdraw([certificate('a.test')], { reason: 'withdrawn', yes: true });
  return { pass, manifest };
}

test('what was withdrawn from a fleet does not come back from the fleet that it has moved from', async () => {
  const { pass, manifest } = await withdrawnFromOne();

  const { outcomes } = await pass([{ identifiers: ['a.test'] }]);

  // It is ordered anew: the CA of this test is out of reach.
  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['failed: missing'],
  );
  assert.deepEqual(Object.keys((await manifest()).certificates), []);
});

test('what was withdrawn from a fleet and is configured there again is ordered, though another fleet has it', async () => {
  const { pass } = await withdrawnFromOne();

  const { outcomes } = await pass([{ identifiers: ['a.test'], fleets: [fleet, old] }]);

  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['failed: missing'],
  );
});

test('a certificate of the same name for other names is not what has moved', async () => {
  const { publish, pass } = await stage();
  await publish('www', ['x.test'], old);

  const { outcomes } = await pass([{ name: 'www', identifiers: ['a.test'] }]);

  assert.deepEqual(
    outcomes.map(({ result, reason }) => `${result}: ${reason}`),
    ['failed: missing'],
  );
});

test('a folder of nothing of ours below published/ is no fleet, and gets no root', async () => {
  const { bucket, publish, pass } = await stage();
  await publish('a.test', ['a.test']);
  await bucket.put('published/stray/pem/a/b.pem', 'x');
  await bucket.put('published/Not-A-Fleet/root.json', '{}');

  const { manifests } = await pass([{ identifiers: ['a.test'] }]);

  assert.deepEqual([...manifests.keys()], ['default']);
  assert.deepEqual(await bucket.list('published/stray/'), ['published/stray/pem/a/b.pem']);
});

test('a PEM that is lost keeps its certificate, and the pass says why', async () => {
  const { bucket, publish, report, pass, manifest } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);
  await report('lb1', ['a.test', 'www.test']);
  const { certificates } = await manifest();
  const { sha256 = '' } = certificates[certificate('a.test')]?.pems[0] ?? {};
  await bucket.delete(layout.pem(fleet, certificate('a.test'), sha256));

  const { unconfigured, full } = await pass([{ identifiers: ['www.test', 'a.test'] }]);

  assert.deepEqual(unconfigured, ['default/a.test kept: unreadable']);
  assert.equal(full[0]?.error?.code, 'ERR_BUCKET_IO');
});

test('statuses that are lost prove nothing', async () => {
  const { publish, pass } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);

  const { unconfigured } = await pass([{ identifiers: ['www.test', 'a.test'] }]);

  assert.deepEqual(unconfigured, ['default/a.test kept: no-host']);
});

test('a broken status of a host that is long gone stops nothing', async () => {
  const { bucket, publish, report, pass } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);
  await report('lb1', ['a.test', 'www.test']);
  bucket.plant(layout.status(fleet, hostName.parse('lb2')), '{');
  const days = async (count: number) => {
    bucket.entries = async (prefix) => {
      const entries = await memoryEntries(prefix);
      const writtenAt = after(noon, -count * DAY_MS);
      return entries.map((entry) =>
        entry.key.endsWith('lb2.json') ? { ...entry, modifiedAt: writtenAt } : entry,
      );
    };
    return (await pass([{ identifiers: ['www.test', 'a.test'] }], { dryRun: true })).full[0];
  };
  const memoryEntries = bucket.entries.bind(bucket);

  const [young, old] = [await days(6), await days(8)];

  assert.deepEqual([young?.reason, young?.hosts], ['not-proved', ['lb2']]);
  assert.equal(old?.reason, 'superseded');
});

test('a host on which no handshake can prove the new one holds nothing up, and is named', async () => {
  const { bucket, publish, report, pass } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);
  await report('lb1', ['a.test', 'www.test']);
  await report('lb2', ['a.test', 'www.test']);
  const key = layout.status(fleet, hostName.parse('lb2'));
  const status = parseHostStatus(fleet, hostName.parse('lb2'), (await bucket.get(key))?.body ?? Buffer.of());
  const backup = (serial: string) => {
    const unproven = { since: noon.toISOString(), reason: 'not-here', message: 'of another host' };
    const runtime = { serial, notAfter: noon.toISOString(), chainLength: 2 };
    const files = status.files.map((file) => ({ ...file, unproven, runtime }));
    return bucket.put(key, serializeHostStatus({ ...status, files }));
  };
  const config = [{ identifiers: ['www.test', 'a.test'] }];

  await backup('0B');
  const refuted = await pass(config, { dryRun: true });
  await backup('0A');
  const { full, events } = await pass(config);

  assert.deepEqual([refuted.full[0]?.reason, refuted.full[0]?.hosts], ['not-proved', ['lb2']]);
  assert.deepEqual([full[0]?.result, full[0]?.unproven], ['superseded', ['lb2 (not-here)']]);
  assert.deepEqual(events.fieldsOf('certificate.superseded')[0]?.['unproven'], ['lb2 (not-here)']);
});

test('a status that cannot be read proves nothing', async () => {
  const { bucket, publish, report, pass } = await stage();
  await publish('a.test', ['a.test', 'www.test']);
  await publish('www.test', ['www.test', 'a.test']);
  await report('lb1', ['a.test', 'www.test']);
  await bucket.put(`${layout.statuses(fleet)}lb2.json`, '{');

  const { unconfigured, full } = await pass([{ identifiers: ['www.test', 'a.test'] }]);

  assert.deepEqual(unconfigured, ['default/a.test kept: not-proved']);
  assert.deepEqual(full[0]?.hosts, ['lb2']);
});

function firstDigest({
  certificates,
}: {
  certificates: Record<string, { pems: { sha256: string }[] }>;
}): string {
  return Object.values(certificates)[0]?.pems[0]?.sha256 ?? '';
}

test('folders below published/ that cannot be listed hide no configured fleet', async () => {
  const { bucket, publish, pass } = await stage();
  await publish('a.test', ['a.test']);
  const folders = bucket.folders;
  bucket.folders = () => Promise.reject(new BucketError('ERR_BUCKET_SIZE', 'published/', 'as planted'));

  const { outcomes, events } = await pass([{ identifiers: ['a.test'] }]);

  bucket.folders = folders;
  assert.deepEqual(
    outcomes.map(({ result }) => result),
    ['kept'],
  );
  assert.equal(events.fieldsOf('fleets.unlisted')[0]?.['code'], 'ERR_BUCKET_SIZE');
});

test('a fleet that nobody names any more and that has lost all is signed again: its hosts keep what they have, and are not frozen', async () => {
  const { bucket, publish, pass, manifest } = await stage();
  await publish('a.test', ['a.test']);
  await publish('b.test', ['b.test'], old);
  for (const key of await bucket.list('published/old/')) await bucket.delete(key);

  const { manifests } = await pass([{ identifiers: ['a.test'] }]);

  assert.deepEqual([...manifests.keys()].sort(), ['default', 'old']);
  const { certificates, tombstones } = await manifest(old);
  assert.deepEqual([certificates, tombstones], [{}, {}]);
});

test('what every living host holds as ended, and nobody configures, ends: a restored bucket has lost its tombstone', async () => {
  const { bucket, publish, pass, manifest } = await stage();
  await publish('gone', ['gone.test']);
  const { sequence = 0, certificates } = await manifest();
  const [pem] = certificates[certificate('gone')]?.pems ?? [];
  const hostOf = (changes: object = {}) => ({
    ...{
      etag: 'e',
      reportedAt: noon,
      states: {},
      endedPems: [pem?.sha256],
      head: { sequence, signedAt: noon },
    },
    ...changes,
  });
  const passWith = async (hosts: object, isDry = true) => {
    await bucket.put(layout.hostSummaries, serializeCached({ ...NO_SUMMARIES, fleets: { [fleet]: hosts } }));
    return (await pass([{ name: 'other', identifiers: ['other.test'] }], { dryRun: isDry })).unconfigured;
  };

  for (const other of [
    { endedPems: [] },
    { endedPems: undefined },
    { head: { sequence: sequence - 1, signedAt: noon } },
    { head: undefined },
  ]) {
    const kept = await passWith({ lb1: hostOf(), lb2: hostOf(other) });
    assert.deepEqual(kept, ['default/gone kept: not-covered'], JSON.stringify(other));
  }
  assert.deepEqual(await passWith({ lb1: hostOf({ hasLeft: true }) }), ['default/gone kept: not-covered']);
  assert.deepEqual(await passWith({ lb1: hostOf({ reportedAt: after(noon, -8 * DAY_MS) }) }), [
    'default/gone kept: not-covered',
  ]);

  const silent = hostOf({ reportedAt: after(noon, -8 * DAY_MS), endedPems: [] });
  const all = { lb1: hostOf(), lb2: hostOf(), silent };
  assert.deepEqual(await passWith(all), ['default/gone kept: ended']);
  assert.deepEqual(await passWith(all, false), ['default/gone superseded: ended']);
  const { certificates: left, tombstones } = await manifest();
  assert.equal(left[certificate('gone')], undefined);
  assert.deepEqual(
    tombstones?.[certificate('gone')]?.pems.map(({ sha256 }) => sha256),
    [pem?.sha256],
  );
});
