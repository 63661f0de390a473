// `pemfleet withdraw` over a directory: what it ends, what it refuses, and what it leaves as it was.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DAY_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, fleetName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { parseArguments } from '../../../lambda/commands/line/options.ts';
import { withdrawCommand } from '../../../lambda/commands/withdraw.ts';
import { enterAsWriter } from '../../../lambda/identity/writers.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { entryFor } from '../../support/agent/publish.ts';
import { DIRECTORY_URL, makeEntry, makeHostStatus } from '../../support/issuer/documents.ts';
import { readPublished } from '../../support/issuer/signing.ts';
import { createPki } from '../../support/parts/pki.ts';
import { tempDir } from '../../support/temp-dir.ts';

const pki = await createPki();
const [edge, old] = [fleetName.parse('edge'), fleetName.parse('old')];
const certificate = (name: string) => certificateName.parse(name);

/** `kept` is configured for edge; all else is published only. */
async function stage(t: TestContext) {
  const dir = tempDir(t);
  const url = pathToFileURL(join(dir, 'bucket')).href;
  const [file, bucket] = [join(dir, 'pemfleet.yaml'), await openBucket(url)];
  const config = {
    ...{ bucket: url, acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true } },
    certificates: [{ name: 'kept', identifiers: ['kept.test'], fleets: ['edge'] }],
  };
  writeFileSync(file, JSON.stringify(config));
  const signing = await openSigningKey(bucket, { fleets: [edge, old] });
  const publisherOf = (fleet: typeof edge) =>
    new Publisher(
      bucket,
      fleet,
      publisherOptions(bucket, signing, () => new Date()),
    );
  const publish = async (fleet: typeof edge, name: string, names = [`${name}.test`]) => {
    const { combined } = await pki.issue({ names });
    const entry = makeEntry({ ...entryFor(combined, names), issued: makeEntry().issued });
    const sha256 = entry.pems[0]?.sha256 ?? '';
    await publisherOf(fleet).publish(certificate(name), entry, [{ sha256, text: combined }]);
    return sha256;
  };
  const withdraw = async (...args: string[]) => {
    const { values, positionals } = parseArguments([...args, '--config', file, '--quiet']);
    const printed: string[] = [];
    const write = (text: string | Uint8Array) => printed.push(String(text)) > 0;
    const mocks = [
      t.mock.method(process.stderr, 'write', write),
      t.mock.method(process.stdout, 'write', write),
    ];
    const status = await withdrawCommand(values, positionals).catch(
      (error: unknown) => `${(error as Error).name} ${codeOf(error)} ${messageOf(error)}`,
    );
    for (const mock of mocks) mock.mock.restore();
    return { status, text: printed.join('') };
  };
  const manifest = async (fleet: typeof edge) => {
    const read = await readPublished(bucket, fleet);
    if (read === undefined) throw new Error(`nothing is published to ${fleet}`);
    return read.manifest;
  };
  const namesIn = async (fleet: typeof edge) => Object.keys((await manifest(fleet)).certificates);
  return { bucket, signing, publish, withdraw, manifest, namesIn, publisherOf };
}

test('what is published and not configured is ended by a tombstone of all its valid PEMs, in each of its fleets', async (t) => {
  const { publish, withdraw, manifest, namesIn } = await stage(t);
  for (const name of ['kept', 'b', 'c', 'gone']) await publish(edge, name);
  const earlier = (await manifest(edge)).certificates[certificate('gone')]?.pems[0]?.sha256;
  const later = await publish(edge, 'gone');
  await publish(old, 'gone');

  const { status, text } = await withdraw('gone');

  assert.equal(status, 0, text);
  assert.deepEqual([await namesIn(edge), await namesIn(old)], [['b', 'c', 'kept'], []]);
  const { tombstones } = await manifest(edge);
  const tombstone = tombstones[certificate('gone')];
  assert.equal(tombstone?.reason, 'withdrawn');
  assert.deepEqual(tombstone?.pems.map(({ sha256 }) => sha256).sort(), [earlier, later].sort());
  assert.match(text, /fleet edge: gone: withdrawn\nfleet edge: no other certificate has gone\.test/);
});

test('--fleet ends it there only', async (t) => {
  const { publish, withdraw, namesIn } = await stage(t);
  for (const fleet of [edge, old]) for (const name of ['gone', 'other']) await publish(fleet, name);

  const { status } = await withdraw('gone', '--fleet', 'old');

  assert.equal(status, 0);
  assert.deepEqual([await namesIn(edge), await namesIn(old)], [['gone', 'other'], ['other']]);
});

test('A7: a certificate that moved is withdrawn from the fleet that it left, and stays where it is configured', async (t) => {
  const { publish, withdraw, namesIn } = await stage(t);
  for (const fleet of [edge, old]) await publish(fleet, 'kept');

  const { status, text } = await withdraw('kept');

  assert.equal(status, 0, text);
  assert.deepEqual([await namesIn(edge), await namesIn(old)], [['kept'], []]);
  assert.match(text, /kept: stays in fleet edge, for which it is configured/);
});

for (const [says, args, message] of [
  [
    'a configured certificate',
    ['kept'],
    /kept is configured for edge: the next pass would publish it again; take it out of/,
  ],
  ['a configured one in its fleet', ['kept', '--fleet', 'edge'], /kept is configured for edge/],
  ['a name with a typo', ['gnoe'], /no certificate gnoe is published to .*; is it gone\?; pemfleet status/],
  ['a right name beside a wrong one', ['gone', 'nothing'], /no certificate nothing is published/],
  ['a fleet with a typo', ['gone', '--fleet', 'egde'], /no certificate gone is published to any such fleet/],
  ['no name', [], /withdraw wants the names of certificates, saw none/],
  ['what is no name', ['../kept'], /\.\.\/kept is no name/],
] as const) {
  test(`${says} is refused, and nothing is changed`, async (t) => {
    const { bucket, publish, withdraw } = await stage(t);
    for (const name of ['kept', 'gone', 'other']) await publish(edge, name);
    const before = (await bucket.get(layout.root(edge)))?.etag;

    const { status } = await withdraw(...args);

    const isTypedWrong = args.length === 0 || args[0] === '../kept';
    assert.match(String(status), isTypedWrong ? /^UsageError / : /^CommandRefused ERR_REFUSED /);
    assert.match(String(status), message);
    assert.equal((await bucket.get(layout.root(edge)))?.etag, before);
  });
}

test('--dry-run says the same and changes nothing', async (t) => {
  const { bucket, publish, withdraw } = await stage(t);
  for (const name of ['a', 'b', 'c', 'gone']) await publish(edge, name);
  const list = async () => (await bucket.entries('published/')).map(({ key, etag }) => `${key} ${etag}`);
  const before = [...(await list()), ...(await bucket.list('issuer/'))];

  const one = await withdraw('gone', '--dry-run', '--json');
  const many = await withdraw('a', 'b', 'c', 'gone', '--dry-run');

  assert.equal(one.status, 0);
  assert.match(one.text, /fleet edge: gone: would be withdrawn/);
  const json = JSON.parse(one.text.slice(one.text.indexOf('{')));
  assert.deepEqual(json.fleets, [{ fleet: 'edge', withdrawn: ['gone'], held: [] }]);
  assert.deepEqual([many.status, many.text.match(/held back: a, b, c, gone/)?.length], [1, 1]);
  assert.match(many.text, /with --yes, no other certificate has a\.test, b\.test, c\.test, gone\.test/);
  assert.deepEqual([...(await list()), ...(await bucket.list('issuer/'))], before);
});

test('more than a third of a fleet waits for --yes', async (t) => {
  const { publish, withdraw, namesIn } = await stage(t);
  for (const name of ['a', 'b', 'c', 'kept']) await publish(edge, name);

  const held = await withdraw('a', 'b');
  const between = await namesIn(edge);
  const done = await withdraw('a', 'b', '--yes');

  assert.deepEqual([held.status, between], [1, ['a', 'b', 'c', 'kept']]);
  assert.match(held.text, /fleet edge: held back: a, b: 2 of 4 certificates at once; --yes withdraws them/);
  assert.deepEqual([done.status, await namesIn(edge)], [0, ['c', 'kept']]);
});

test('a second time it says so, and writes nothing', async (t) => {
  const { bucket, publish, withdraw } = await stage(t);
  for (const name of ['a', 'b', 'gone']) await publish(edge, name);
  await withdraw('gone');
  const before = (await bucket.get(layout.root(edge)))?.etag;

  const { status, text } = await withdraw('gone');

  assert.deepEqual([status, (await bucket.get(layout.root(edge)))?.etag], [0, before]);
  assert.match(text, /gone: was ended in fleet edge at 20/);
});

test('withdrawn first, and known as stolen later: the tombstone says so, and a third time changes nothing', async (t) => {
  const { bucket, publish, withdraw, manifest } = await stage(t);
  for (const name of ['a', 'b']) await publish(edge, name);
  const sha256 = await publish(edge, 'gone');
  await withdraw('gone');

  const { status, text } = await withdraw('gone', '--stolen');

  const tombstone = (await manifest(edge)).tombstones[certificate('gone')];
  assert.deepEqual([status, typeof tombstone?.stolenAt], [0, 'string'], text);
  assert.deepEqual(
    tombstone?.pems.map((pem) => pem.sha256),
    [sha256],
  );
  const before = (await bucket.get(layout.root(edge)))?.etag;
  const third = await withdraw('gone', '--stolen');
  assert.deepEqual([third.status, (await bucket.get(layout.root(edge)))?.etag], [0, before], third.text);
});

test('what only hosts still have is ended by our own receipts, and by no other', async (t) => {
  const { bucket, publish, withdraw, manifest } = await stage(t);
  await publish(edge, 'kept');
  const sha256 = await publish(edge, 'lost');
  const pem = (await manifest(edge)).certificates[certificate('lost')]?.pems[0];
  for (const key of await bucket.list('published/edge/')) await bucket.delete(key);
  const fileOf = (file: string, receipt: string | undefined): FileStatus => ({
    ...{ file, certificate: certificate('lost'), state: 'served', since: new Date().toISOString() },
    ...{ wanted: { sha256, serial: '0A' }, isUnlisted: true, receipt },
  });
  const forged = pem?.receipt?.replace(/.{86}$/, 'A'.repeat(86));
  const status = makeHostStatus('lb1', {
    fleet: edge,
    reportedAt: new Date().toISOString(),
    files: [fileOf('lost.pem', pem?.receipt), fileOf('forged.pem', forged), fileOf('bare.pem', undefined)],
  });
  await bucket.put(layout.status(edge, status.host), serializeHostStatus(status));

  const done = await withdraw('lost');

  assert.equal(done.status, 0, done.text);
  const { tombstones } = await manifest(edge);
  assert.deepEqual(tombstones[certificate('lost')]?.pems, [{ sha256, notAfter: pem?.notAfter }]);
});

for (const isKnown of [true, false]) {
  test(`a host that came from ${isKnown ? 'another' : 'a vanished'} fleet still serves what that one had: its receipt ends it where the host is now`, async (t) => {
    const { bucket, publish, withdraw, manifest } = await stage(t);
    await publish(edge, 'kept');
    const earlier = await publish(edge, 'lost');
    await withdraw('lost', '--yes');
    const sha256 = await publish(old, 'lost');
    const pem = (await manifest(old)).certificates[certificate('lost')]?.pems[0];
    if (!isKnown) for (const key of await bucket.list('published/old/')) await bucket.delete(key);
    const files: FileStatus[] = [
      {
        ...{ file: 'lost.pem', certificate: certificate('lost'), state: 'served' },
        ...{ since: new Date().toISOString(), wanted: { sha256, serial: '0A' } },
        ...{ isUnlisted: true, receipt: pem?.receipt },
      },
    ];
    const status = makeHostStatus('lb1', { fleet: edge, reportedAt: new Date().toISOString(), files });
    await bucket.put(layout.status(edge, status.host), serializeHostStatus(status));

    const done = await withdraw('lost', '--fleet', 'edge');
    const again = await withdraw('lost', '--fleet', 'edge');

    assert.equal(done.status, 0, done.text);
    const { tombstones } = await manifest(edge);
    const ended = tombstones[certificate('lost')]?.pems.map((one) => one.sha256) ?? [];
    assert.deepEqual(ended.sort(), [earlier, sha256].sort());
    assert.match(again.text, /lost: was ended in fleet edge at 20/);
  });
}

test('a fleet that only its hosts know can be named', async (t) => {
  const { bucket, publish, withdraw, manifest } = await stage(t);
  await publish(old, 'lost');
  const pem = (await manifest(old)).certificates[certificate('lost')]?.pems[0];
  const moved = fleetName.parse('moved');
  const file: FileStatus = {
    ...{ file: 'lost.pem', certificate: certificate('lost'), state: 'served' },
    ...{ since: new Date().toISOString(), wanted: { sha256: pem?.sha256 ?? '', serial: '0A' } },
    ...{ isUnlisted: true, receipt: pem?.receipt },
  };
  const status = makeHostStatus('lb1', { fleet: moved, reportedAt: new Date().toISOString(), files: [file] });
  await bucket.put(layout.status(moved, status.host), serializeHostStatus(status));

  const done = await withdraw('lost', '--fleet', 'moved');

  assert.equal(done.status, 0, done.text);
  const { tombstones } = await manifest(moved);
  assert.equal(tombstones[certificate('lost')]?.pems[0]?.sha256, pem?.sha256);
});

test('a fleet that cannot be read is left out, and named; asked for by name, it is the failure', async (t) => {
  const { bucket, publish, withdraw, namesIn } = await stage(t);
  for (const name of ['a', 'b', 'gone']) await publish(edge, name);
  await bucket.put('published/stray/root.json', 'garbage');

  const all = await withdraw('gone');
  const stray = await withdraw('gone', '--fleet', 'stray');

  assert.equal(all.status, 0);
  assert.match(all.text, /fleet stray: left out: ERR_MANIFEST/);
  assert.deepEqual(await namesIn(edge), ['a', 'b']);
  assert.match(String(stray.status), /ERR_MANIFEST/);
});

test('an operator whose configuration is not that of the issuer at work is refused: what he calls unconfigured may not be', async (t) => {
  const { bucket, publish, withdraw, namesIn } = await stage(t);
  for (const name of ['a', 'b', 'gone']) await publish(edge, name);
  const identity = { id: 'the Lambda', label: 'the Lambda' };
  await enterAsWriter(bucket, { identity, config: 'f'.repeat(64) }, new Date());

  const { status } = await withdraw('gone');

  assert.match(String(status), /ERR_ISSUER_CONFLICT .*the Lambda/);
  assert.deepEqual(await namesIn(edge), ['a', 'b', 'gone']);
});

test('what is withdrawn does not come back with a restored published/', async (t) => {
  const { bucket, publish, withdraw, manifest, namesIn, publisherOf } = await stage(t);
  for (const name of ['a', 'b', 'gone']) await publish(edge, name);
  const yesterday = (await bucket.get(layout.root(edge)))?.body ?? '';
  await withdraw('gone');
  await bucket.put(layout.root(edge), yesterday);

  const { combined } = await pki.issue({ names: ['new.test'], notAfter: new Date(Date.now() + 9 * DAY_MS) });
  const entry = makeEntry({ ...entryFor(combined, ['new.test']), issued: makeEntry().issued });
  await publisherOf(edge).publish(certificate('new'), entry, [
    { sha256: entry.pems[0]?.sha256 ?? '', text: combined },
  ]);

  assert.deepEqual(await namesIn(edge), ['a', 'b', 'new']);
  assert.ok((await manifest(edge)).tombstones[certificate('gone')]);
});

test('a fleet that nobody names any more and that has lost all: what its hosts still serve can be withdrawn', async (t) => {
  const { bucket, publish, withdraw, manifest } = await stage(t);
  await publish(edge, 'kept');
  await publish(old, 'lost');
  const pem = (await manifest(old)).certificates[certificate('lost')]?.pems[0];
  for (const key of await bucket.list('published/old/')) await bucket.delete(key);
  const file: FileStatus = {
    ...{
      file: 'lost.pem',
      certificate: certificate('lost'),
      state: 'served',
      since: new Date().toISOString(),
    },
    ...{ wanted: { sha256: pem?.sha256 ?? '', serial: '0A' }, isUnlisted: true, receipt: pem?.receipt },
  };
  const status = makeHostStatus('lb1', { fleet: old, reportedAt: new Date().toISOString(), files: [file] });
  await bucket.put(layout.status(old, status.host), serializeHostStatus(status));

  const done = await withdraw('lost');

  assert.equal(done.status, 0, done.text);
  const { tombstones } = await manifest(old);
  assert.deepEqual(tombstones[certificate('lost')]?.pems[0]?.sha256, pem?.sha256);
});
