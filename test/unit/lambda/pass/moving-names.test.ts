/** Names that move between certificates: the one that loses them stays as it is until hosts have proved the one that gets them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import type { FileStatus } from '#contract/host-status.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { layout } from '#contract/layout.ts';
import type { PassOptions } from '../../../../lambda/pass.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { fleet, makeEntry, makeHostStatus, makePemRef, named } from '../../../support/issuer/documents.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';

const shaOf = (name: string, names: readonly string[]) =>
  Buffer.from(`${name}:${names.join()}`).toString('hex').padEnd(64, '0').slice(0, 64);

/** HTTP-01 proves no wildcard. */
function specOver(name: string, identifiers: readonly string[]) {
  const isWild = identifiers.some((one) => one.startsWith('*.'));
  return { name, identifiers, ...(isWild && { challenge: 'dns-persist-01' }) };
}

function stage(now = noon) {
  const bucket = memoryBucket();
  const publish = (name: string, names: string[]) =>
    publishEntry(
      bucket,
      name,
      makeEntry({ identifiers: names, pems: [makePemRef({ sha256: shaOf(name, names) })] }),
    );
  /** The CA is out of reach: an order that is tried fails. */
  const pass = async (
    certificates: Record<string, string[]>,
    options: PassOptions = {},
    more: readonly object[] = [],
  ) => {
    const { run, events } = passOver(bucket, { timing: fakeClock(now) });
    const own = Object.entries(certificates).map(([name, identifiers]) => specOver(name, identifiers));
    const config = [...own, ...more];
    const outcomes = await run(config, options);
    const results = Object.fromEntries(
      outcomes.map(({ certificate, result, reason }) => [certificate, `${result}: ${reason}`]),
    );
    const lost = Object.fromEntries(
      outcomes.flatMap((outcome) => (outcome.lost ? [[outcome.certificate, outcome.lost]] : [])),
    );
    return { results, lost, warned: events.fieldsOf('names.lost'), moving: events.fieldsOf('names.moving') };
  };
  const report = async (host: string, serves: Record<string, string[]>) => {
    const files = Object.entries(serves).map(([name, names]): FileStatus => {
      const wanted = { sha256: shaOf(name, names), serial: '0A' };
      const file = `${name}.pem`;
      return { file, certificate: named(name), state: 'served', since: noon.toISOString(), wanted };
    });
    const status = makeHostStatus(host, { files, reportedAt: now.toISOString() });
    await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  };
  return { publish, pass, report };
}

const MOVED = { a: ['x.test'], b: ['z.test', 'y.test'] };
const [HELD, TRIED] = ['deferred: names-moving', 'failed: identifiers-changed'];

test('a name moves to a certificate that does not have it yet: the old publication stays, and no order is made', async () => {
  const { publish, pass } = stage();
  await publish('a', ['x.test', 'y.test']);
  await publish('b', ['z.test']);

  const { results, moving } = await pass(MOVED);

  assert.deepEqual(results, { a: HELD, b: TRIED });
  assert.deepEqual(moving, [{ certificate: 'a', fleet, names: ['y.test'] }]);
});

test('to a new certificate, and to a wildcard, too', async () => {
  const { publish, pass } = stage();
  await publish('a', ['x.test', 'y.test']);

  assert.deepEqual((await pass({ a: ['x.test'], b: ['y.test'] })).results, {
    a: HELD,
    b: 'failed: missing',
  });
});

test('the new holder is published: the old one waits until each living host has proved it', async () => {
  const { publish, pass, report } = stage();
  await publish('a', ['x.test', 'y.test']);
  await publish('b', ['z.test', 'y.test']);
  const serves = { a: ['x.test', 'y.test'], b: ['z.test', 'y.test'] };
  await report('lb1', serves);
  await report('lb2', { a: ['x.test', 'y.test'] });

  const waiting = await pass(MOVED);
  assert.deepEqual(waiting.results['a'], HELD);
  assert.deepEqual(waiting.moving[0]?.['hosts'], ['lb2']);

  await report('lb2', serves);
  assert.deepEqual((await pass(MOVED)).results['a'], TRIED);
});

test('no host lives: that the new holder is published is enough', async () => {
  const { publish, pass } = stage();
  await publish('a', ['x.test', 'y.test']);
  await publish('b', ['z.test', 'y.test']);

  assert.deepEqual((await pass(MOVED)).results['a'], TRIED);
});

test('a name that nobody is to get any more goes at once; one that a certificate gains does not wait', async () => {
  const { publish, pass } = stage();
  await publish('a', ['x.test', 'y.test']);
  await publish('b', ['z.test']);

  const { results } = await pass({ a: ['x.test'], b: ['z.test', 'w.test'] });

  assert.deepEqual(results, { a: TRIED, b: TRIED });
});

test('nothing waits longer than until it ends, nor against the word of the operator', async () => {
  const late = stage(after(noon, 89 * DAY_MS));
  const forced = stage();
  for (const { publish } of [late, forced]) {
    await publish('a', ['x.test', 'y.test']);
    await publish('b', ['z.test']);
  }

  assert.deepEqual((await late.pass(MOVED)).results['a'], TRIED);
  assert.deepEqual((await forced.pass(MOVED, { force: true })).results['a'], TRIED);
  assert.deepEqual((await forced.pass(MOVED, { dryRun: true })).results['a'], HELD);
});

test('a name that nobody is to have any more is named before it goes: by a dry run, and by a pass', async () => {
  const { publish, pass } = stage();
  await publish('a', ['x.test', 'y.test']);
  await publish('b', ['z.test', 'y.test']);
  const config = { a: ['x.test'], b: ['z.test'] };
  const gone = [{ fleet, names: ['y.test'] }];

  const plan = await pass(config, { dryRun: true });
  assert.deepEqual(plan.lost, { a: gone, b: gone });
  const warnings = [
    { certificate: 'a', fleet, names: ['y.test'] },
    { certificate: 'b', fleet, names: ['y.test'] },
  ];
  assert.deepEqual(plan.warned, warnings);
  assert.deepEqual((await pass(config)).lost, { a: gone, b: gone });
  assert.deepEqual((await pass(config, { only: [named('a')] })).lost, { a: gone });
});

const STAYING: [what: string, config: Record<string, string[]>, published: Record<string, string[]>][] = [
  ['the same certificate has a wildcard instead', { a: ['x.test', '*.y.test'] }, {}],
  ['another is configured for it', { a: ['x.test'], b: ['w.y.test'] }, {}],
  ['another is configured for a wildcard of it', { a: ['x.test'], b: ['*.y.test'] }, {}],
  ['another stays published, though nobody configures it', { a: ['x.test'] }, { old: ['w.y.test'] }],
  ['nothing is ordered', { a: ['x.test', 'w.y.test'] }, {}],
];

for (const [what, config, published] of STAYING) {
  test(`no name is lost: ${what}`, async () => {
    const { publish, pass } = stage();
    await publish('a', ['x.test', 'w.y.test']);
    for (const [name, names] of Object.entries(published)) await publish(name, names);

    const { lost, warned } = await pass(config, { dryRun: true });

    assert.deepEqual([lost, warned], [{}, []]);
  });
}

test('a wildcard is lost, though one of its names stays; what another fleet publishes is no help, nor what has expired', async () => {
  const late = after(noon, 91 * DAY_MS);
  const { publish, pass } = stage(late);
  await publish('a', ['x.test', '*.y.test']);
  await publish('old', ['*.y.test']);
  const elsewhere = { ...specOver('c', ['*.y.test']), fleets: ['core'] };

  const { lost } = await pass({ a: ['x.test'], b: ['w.y.test'] }, { dryRun: true }, [elsewhere]);

  assert.deepEqual(lost, { a: [{ fleet, names: ['*.y.test'] }] });
});
