// `pemfleet rollback` over a directory: which version comes back, which never does, and what the next decision makes of it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { historyCommand } from '../../../../lambda/commands/undo/history.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { directoryNamed } from '../../../../lambda/config/known-cas.ts';
import { decide } from '../../../../lambda/pass/due.ts';
import { readPem } from '../../../../lambda/publication/entry.ts';
import { Publisher } from '../../../../lambda/publication/publisher.ts';
import { publisherOptions } from '../../../../lambda/upgrade/along.ts';
import { makeDueInput } from '../../../support/issuer/documents.ts';
import { readPublished } from '../../../support/issuer/signing.ts';
import { certificate, edge, stage } from './stage.ts';

const serialOf = (entry: ManifestEntry | undefined) => entry?.pems[0]?.serial;

test('the version before is published again, with a sequence of its own; the trail and the history say so', async (t) => {
  const { publish, run, entryOf } = await stage(t);
  const [first, second] = [await publish('kept'), await publish('kept')];
  const sequence = (await entryOf('kept'))?.sequence ?? 0;
  const preview = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'bad chain', '--dry-run');
  assert.deepEqual([preview.status, serialOf(await entryOf('kept'))], [0, second]);

  const { status, err } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'bad chain');

  assert.equal(status, 0, err);
  const entry = await entryOf('kept');
  assert.equal(serialOf(entry), first);
  assert.ok((entry?.sequence ?? 0) > sequence, 'hosts take what has a higher sequence');
  assert.ok(entry?.rolledBackAt);
  const { lines } = JSON.parse((await run(auditCommand, 'audit', 'kept', '--json')).out);
  const { action, before, after, reason } = lines.at(-1);
  assert.deepEqual([action, before, after, reason], ['rolled-back', [second], [first], 'bad chain']);
  const { out } = await run(historyCommand, 'history', 'kept');
  assert.match(out, new RegExp(`^${first}.* in force .*rolled-back: bad chain`, 'm'));

  const forth = await run(
    rollbackCommand,
    'rollback',
    'kept',
    '--to',
    second.toLowerCase(),
    '--reason',
    'mended',
  );

  assert.deepEqual([forth.status, serialOf(await entryOf('kept'))], [0, second], forth.err);
});

test('what was revoked or withdrawn, has expired, or lost its key never comes back', async (t) => {
  const { bucket, publish, publisher, run, entryOf } = await stage(t);
  const pemOf = async () => (await entryOf('kept'))?.pems[0] ?? { sha256: '', notAfter: '' };
  const expired = await publish('kept', ['kept.test'], 100 * DAY_MS);
  const lost = await publish('kept');
  await bucket.delete(layout.pem(edge, certificate('kept'), (await pemOf()).sha256));
  const revoked = await publish('kept');
  const { sha256, notAfter } = await pemOf();
  await publish('kept');
  await publisher().endPems(certificate('kept'), [{ sha256, notAfter }], { reason: 'revoked' });
  const before = (await bucket.get(layout.root(edge)))?.etag;

  const { status } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.match(
    String(status),
    /^CommandRefused ERR_REFUSED kept: no earlier version can be published again: /,
  );
  for (const [serial, why] of [
    [revoked, 'was revoked at'],
    [lost, 'has no private key'],
    [expired, 'expired at'],
  ] as const) {
    assert.match(String(status), new RegExp(`${serial} ${why}`));
    const one = await run(rollbackCommand, 'rollback', 'kept', '--to', serial, '--reason', 'x', '--yes');
    assert.match(String(one.status), new RegExp(`cannot be published again: ${serial} ${why}`));
  }
  assert.equal((await bucket.get(layout.root(edge)))?.etag, before);
});

test('a version that was withdrawn or revoked in one fleet comes back in no other one', async (t) => {
  const fleets = ['edge', 'core'];
  const configured = { certificates: [{ name: 'kept', identifiers: ['kept.test'], fleets }] };
  const { bucket, signing, publish, run, entryOf } = await stage(t, configured);
  const revoked = await publish('kept');
  const { sha256 = '', notAfter = '' } = (await entryOf('kept'))?.pems[0] ?? {};
  await publish('kept');
  const core = new Publisher(
    bucket,
    fleetName.parse('core'),
    publisherOptions(bucket, signing, () => new Date()),
  );
  await core.endPems(certificate('kept'), [{ sha256, notAfter }], { reason: 'revoked' });

  const { status } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x', '--yes');

  assert.match(String(status), new RegExp(`${revoked} was revoked at \\S+ in fleet core`));
  assert.notEqual(serialOf(await entryOf('kept')), revoked);
});

test('the key of a revoked version that the history has no more never comes back', async (t) => {
  const { bucket, publish, publisher, run, entryOf } = await stage(t);
  const reused = await publish('kept');
  const { sha256: keptSha256 = '' } = (await entryOf('kept'))?.pems[0] ?? {};
  const { text } = await readPem(bucket, edge, certificate('kept'), { sha256: keptSha256 });
  await publish('kept');
  // Another PEM of the same key, without the intermediate, which no history names.
  const blocks = text.match(/-----BEGIN [\s\S]+?-----END .+-----\n/g) ?? [];
  const other = `${blocks[0]}${blocks.at(-1)}`;
  const sha256 = digest(Buffer.from(other));
  await bucket.put(layout.pem(edge, certificate('kept'), sha256), Buffer.from(other));
  const notAfter = new Date(Date.now() + DAY_MS).toISOString();
  await publisher().endPems(certificate('kept'), [{ sha256, notAfter }], { reason: 'revoked' });

  const { status } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x', '--yes');

  assert.match(String(status), new RegExp(`${reused} has the key of a version that was revoked`));
});

test('a version with other names than configured wants --yes: the next pass orders another one', async (t) => {
  const { publish, run, entryOf } = await stage(t);
  const first = await publish('kept', ['kept.test', 'other.test']);
  const second = await publish('kept');

  const refused = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.equal(serialOf(await entryOf('kept')), second);
  assert.match(String(refused.status), /^CommandRefused ERR_REFUSED kept: .*--yes publishes it until then$/);
  assert.match(refused.err, /has names kept\.test,? ?other\.test, configured kept\.test\n/);
  assert.equal((await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x', '--yes')).status, 0);
  assert.equal(serialOf(await entryOf('kept')), first);
});

test('no pass renews it at once for its time alone; at its end, and for what is configured, it does', async () => {
  const entry = makeDueInput().published;
  const [pem] = entry?.pems ?? [];
  if (entry === undefined || pem === undefined) throw new TypeError('an entry');
  const at = (ms: number) => new Date(Date.parse(pem.notBefore) + ms);
  const decideAt = (now: Date, rolledBackAt: Date, changes = {}) =>
    decide(
      makeDueInput({
        published: { ...entry, rolledBackAt: rolledBackAt.toISOString() },
        ...{ now, ...changes },
      }),
    );
  const due = at(65 * DAY_MS);

  const [soon, nextDay, nearEnd, forced] = [
    decideAt(new Date(due.getTime() + HOUR_MS), due),
    decideAt(new Date(due.getTime() + 25 * HOUR_MS), due),
    decideAt(at(73 * DAY_MS), at(72.9 * DAY_MS)),
    decideAt(new Date(due.getTime() + HOUR_MS), due, { forced: true }),
  ];

  assert.deepEqual(soon, { action: 'keep', reason: 'fresh', until: new Date(due.getTime() + DAY_MS) });
  assert.deepEqual(
    [nextDay, nearEnd, forced].map(({ reason }) => reason),
    ['lifetime', 'lifetime', 'forced'],
  );
});

const [production, staging] = ['letsencrypt', 'letsencrypt-staging'].map(directoryNamed) as [string, string];

test('what staging has issued comes back in the place of none that browsers trust, unless that is meant', async (t) => {
  const { bucket, publishFrom, run, entryOf } = await stage(t);
  const untrusted = await publishFrom(staging, 'kept');
  const trusted = await publishFrom(production, 'kept');
  const before = (await bucket.get(layout.root(edge)))?.etag;
  const back = (...words: string[]) => run(rollbackCommand, 'rollback', 'kept', '--reason', 'x', ...words);

  const refusals = [
    await back(),
    await back('--to', untrusted),
    await back('--yes'),
    await back('--dry-run'),
  ];

  for (const { status } of refusals) {
    assert.match(String(status), /^UntrustedIssuer ERR_CA_UNTRUSTED kept: .* can(not)? be published again: /);
    assert.match(
      String(status),
      new RegExp(`${untrusted} would not be trusted .* is a staging environment\\); --replace-trusted says`),
    );
  }
  assert.equal((await bucket.get(layout.root(edge)))?.etag, before);
  const meant = await back('--to', untrusted, '--replace-trusted');
  assert.deepEqual([meant.status, serialOf(await entryOf('kept'))], [0, untrusted], meant.err);
  assert.notEqual(untrusted, trusted);
});

test('without a serial, staging versions are skipped, and that is said', async (t) => {
  const { publishFrom, run, entryOf } = await stage(t);
  const first = await publishFrom(production, 'kept');
  const untrusted = await publishFrom(staging, 'kept');
  await publishFrom(production, 'kept');

  const { status, err } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.deepEqual([status, serialOf(await entryOf('kept'))], [0, first], err);
  assert.match(err, new RegExp(`^kept: skipped: ${untrusted} would not be trusted by browsers`, 'm'));
});

test('where browsers trust nothing that is in force, a version of staging comes back', async (t) => {
  const { publishFrom, run, entryOf } = await stage(t);
  const first = await publishFrom(staging, 'kept');
  await publishFrom(staging, 'kept');

  const { status, err } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.deepEqual([status, serialOf(await entryOf('kept'))], [0, first], err);
  // Whatever is configured in its place is ordered at once.
  assert.match(err, /the next pass orders another one from https:\/\/ca\.test\/directory \(ca-changed\)/);
});

test('a rollback to a version of another CA says how long it stands', async (t) => {
  const { publishFrom, publish, run, entryOf } = await stage(t);
  const first = await publishFrom('https://before.test/directory', 'kept');
  await publish('kept');

  const { status, err } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.deepEqual([status, serialOf(await entryOf('kept'))], [0, first], err);
  assert.match(
    err,
    /for a day no pass renews it; then one orders another from https:\/\/ca\.test\/directory \(ca-changed\)/,
  );
});

for (const [says, issued, reason] of [
  ['another CA', { directoryUrl: 'https://before.test/directory' }, 'ca-changed'],
  ['another profile', { profile: 'tlsserver' }, 'profile-changed'],
  ['another chain', { preferredChain: 'ISRG Root X1' }, 'chain-changed'],
] as const) {
  test(`of ${says}, it stands for a day: the next pass does not undo it`, () => {
    const entry = makeDueInput().published;
    if (entry === undefined) throw new TypeError('an entry');
    const since = makeDueInput().now;
    const decideAfter = (ms: number, changes: object = {}) => {
      const published = { ...entry, issued: { ...entry.issued, ...issued, ...changes } };
      const rolledBack = { ...published, rolledBackAt: since.toISOString() } as ManifestEntry;
      return decide(makeDueInput({ published: rolledBack, now: new Date(since.getTime() + ms) }));
    };

    const [soon, nextDay] = [decideAfter(HOUR_MS), decideAfter(DAY_MS)];
    const ofStaging = decideAfter(HOUR_MS, { directoryUrl: staging });

    assert.deepEqual(soon, {
      ...{ action: 'keep', reason: 'fresh', until: new Date(since.getTime() + DAY_MS) },
    });
    assert.deepEqual([nextDay.reason, ofStaging.reason], [reason, 'ca-changed']);
  });
}

for (const [says, args, message] of [
  ['no reason', ['kept'], /rollback wants --reason TEXT/],
  ['no name', ['--reason', 'x'], /rollback wants the name of one certificate, saw none/],
  ['a serial that is none', ['kept', '--to', 'latest', '--reason', 'x'], /--to wants hexadecimal digits/],
  ['a name that was never published', ['never', '--reason', 'x'], /none is known/],
] as const) {
  test(`rollback: ${says} is refused`, async (t) => {
    const { run } = await stage(t);

    const { status } = await run(rollbackCommand, 'rollback', ...args);

    assert.match(String(status), /^(UsageError|CommandRefused ERR_REFUSED) /);
    assert.match(String(status), message);
  });
}

const TWO_FLEETS = {
  certificates: [{ name: 'kept', identifiers: ['kept.test'], fleets: ['edge', 'core'] }],
};
const core = fleetName.parse('core');

/** What edge has is in force in core, too. */
async function copyToCore({ bucket, signing, entryOf }: Awaited<ReturnType<typeof stage>>) {
  const entry = await entryOf('kept');
  if (entry === undefined) throw new TypeError('an entry');
  const texts = await Promise.all(
    entry.pems.map(({ sha256 }) => readPem(bucket, edge, certificate('kept'), { sha256 })),
  );
  const options = publisherOptions(bucket, signing, () => new Date());
  await new Publisher(bucket, core, options).publish(certificate('kept'), entry, texts);
}

for (const [says, done] of [
  ['the second fleet', edge],
  ['the first one', core],
] as const) {
  test(`a rollback that ends before ${says} is finished by the same command: no fleet goes forth again`, async (t) => {
    const staged = await stage(t, TWO_FLEETS);
    const { bucket, file, publish, run } = staged;
    const first = await publish('kept');
    await copyToCore(staged);
    const second = await publish('kept');
    await copyToCore(staged);
    const inForce = async () =>
      Promise.all(
        [edge, core].map(async (fleet) =>
          serialOf((await readPublished(bucket, fleet))?.manifest.certificates[certificate('kept')]),
        ),
      );
    // As far as it came when it was killed.
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.replace('["edge","core"]', JSON.stringify([done])));
    await run(rollbackCommand, 'rollback', 'kept', '--reason', 'half');
    writeFileSync(file, whole);
    assert.deepEqual(new Set(await inForce()), new Set([first, second]));

    const again = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'half');

    assert.deepEqual([again.status, await inForce()], [0, [first, first]], again.err);
    const third = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'half');
    assert.deepEqual([third.status, await inForce()], [0, [first, first]]);
    assert.match(third.err, new RegExp(`${first} is in force already .*: nothing to do; .*--to SERIAL`));
  });
}

test('of fleets that differ, a rollback takes the newest version back, everywhere', async (t) => {
  const staged = await stage(t, TWO_FLEETS);
  const { bucket, publish, run, entryOf } = staged;
  await publish('kept');
  const second = await publish('kept');
  await copyToCore(staged);
  await publish('kept');

  const { status, err } = await run(rollbackCommand, 'rollback', 'kept', '--reason', 'x');

  assert.equal(status, 0, err);
  const ofCore = (await readPublished(bucket, core))?.manifest.certificates[certificate('kept')];
  assert.deepEqual([serialOf(await entryOf('kept')), serialOf(ofCore)], [second, second]);
});

test('two operators at once roll back once', async (t) => {
  const { publish, run, entryOf } = await stage(t);
  const first = await publish('kept');
  await publish('kept');

  const twice: typeof rollbackCommand = async (...args) =>
    Math.max(...(await Promise.all([rollbackCommand(...args), rollbackCommand(...args)])));
  const { status } = await run(twice, 'rollback', 'kept', '--reason', 'x');

  assert.equal(status, 0);
  assert.equal(serialOf(await entryOf('kept')), first);
});

test('a rollback to what is in force publishes nothing, says so, and leaves no event', async (t) => {
  const { bucket, publish, run } = await stage(t);
  const first = await publish('kept');
  await publish('kept');
  const to = () => run(rollbackCommand, 'rollback', 'kept', '--to', first, '--reason', 'x');
  await to();
  const before = (await bucket.get(layout.root(edge)))?.etag;

  const { status, err } = await to();

  assert.equal(status, 0);
  assert.match(err, new RegExp(`^kept: ${first} is in force already`));
  assert.doesNotMatch(err, /certificate\.rolled-back|published again/);
  assert.equal((await bucket.get(layout.root(edge)))?.etag, before);
});
