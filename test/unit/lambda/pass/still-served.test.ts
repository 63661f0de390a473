/** After a loss: what hosts still serve waits its turn, what nobody serves comes first, and no host alone changes that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { type FileStatus, type HostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import { type ReceiptClaims, signReceipt } from '#contract/receipt.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import { refreshHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import { withinBudget } from '../../../../lambda/pass/limits/within-budget.ts';
import { decideAll } from '../../../../lambda/pass/plan.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { findStillServed } from '../../../../lambda/pass/still-served.ts';
import { completeSurvey, surveyBucket } from '../../../../lambda/pass/survey.ts';
import { type MemoryBucket, memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import {
  fleet,
  makeEntry,
  makeHostStatus,
  makePemRef,
  makeSpec,
  named,
} from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';
import { passOver, publishEntry } from '../../../support/issuer/pass.ts';
import { readPublished, testPublisher, testSigning } from '../../../support/issuer/signing.ts';

const other = fleetName.parse('other');
const sha256 = 'd'.repeat(64);
const thief = signerOf(generatePrivateKey());
const end = after(noon, 40 * DAY_MS);

interface Claim {
  name?: string;
  claims?: Partial<ReceiptClaims>;
  signer?: Signer;
  file?: Partial<FileStatus>;
}

/** A file that the host serves, of which the manifest knows nothing. */
function unlisted(
  of: FleetName,
  { name = 'a.test', claims = {}, signer = testSigning.signer, file = {} }: Claim,
): FileStatus {
  const certificate = named(name);
  const all = { fleet: of, name: certificate, sha256, notAfter: end.toISOString(), sequence: 1, ...claims };
  return {
    ...{ file: `${name}.pem`, certificate, state: 'served', since: noon.toISOString(), isUnlisted: true },
    ...{ wanted: { sha256, serial: '0A' }, disk: { sha256 }, notAfter: all.notAfter },
    receipt: signReceipt(signer, all),
    ...file,
  };
}

interface Host {
  of?: FleetName;
  claims?: Claim[];
  changes?: Partial<HostStatus>;
}
const serving: Host = { claims: [{}] };
const dark: Host = { claims: [{ name: 'b.test' }] };

async function summariesOf(bucket: MemoryBucket, hosts: readonly Host[]) {
  for (const [index, { of = fleet, claims = [], changes = {} }] of hosts.entries()) {
    const files = claims.map((claim) => unlisted(of, claim));
    const status = makeHostStatus(`lb${index}`, { fleet: of, files, ...changes });
    await bucket.put(layout.status(of, status.host), serializeHostStatus(status));
  }
  const deadline = startDeadline(5_000);
  const { fleets } = await refreshHostSummaries(bucket, {}, [fleet, other], {
    now: noon,
    keys: testSigning,
    deadline,
  });
  deadline.clear();
  return fleets;
}

const rows: [says: string, hosts: Host[], isServed: boolean][] = [
  ['no host', [], false],
  ['the only host', [serving], true],
  ['both of two', [serving, serving], true],
  ['one of two', [serving, dark], false],
  ['two of three: the third alone changes nothing', [serving, serving, dark], true],
  ['one of three: it alone changes nothing', [serving, dark, dark], false],
  ['a host beside one that is shut down', [serving, { changes: { leftAt: noon.toISOString() } }], true],
  [
    'a host beside one that is silent',
    [serving, { changes: { reportedAt: after(noon, -4 * HOUR_MS).toISOString() } }],
    true,
  ],
  ['a silent one', [{ ...serving, changes: { reportedAt: after(noon, -4 * HOUR_MS).toISOString() } }], false],
  ['a stranger’s receipt', [{ claims: [{ signer: thief }] }], false],
  ['the receipt of another fleet', [{ claims: [{ claims: { fleet: other } }] }], false],
  ['the receipt of another certificate', [{ claims: [{ claims: { name: named('b.test') } }] }], false],
  ['the receipt of another PEM', [{ claims: [{ claims: { sha256: 'e'.repeat(64) } }] }], false],
  ['a receipt of what has expired', [{ claims: [{ claims: { notAfter: noon.toISOString() } }] }], false],
  ['no receipt', [{ claims: [{ file: { receipt: 'none' } }] }], false],
  ['on disk, and not served', [{ claims: [{ file: { state: 'failed' } }] }], false],
];

for (const [says, hosts, isServed] of rows) {
  test(`served by ${says}: ${isServed ? 'waits its turn' : 'comes first'}`, async () => {
    const bucket = memoryBucket(reportTime);
    const summaries = await summariesOf(bucket, hosts);
    const { log } = recordEvents();

    const served = await findStillServed(
      { bucket, log, signing: testSigning, timing: fakeClock() },
      [makeSpec()],
      summaries,
    );

    assert.deepEqual([...served], isServed ? [['a.test', end.getTime()]] : []);
  });
}

test('the hosts of all its fleets have to serve it', async () => {
  const bucket = memoryBucket(reportTime);
  const { log, fieldsOf } = recordEvents();
  const pass = { bucket, log, signing: testSigning, timing: fakeClock() };
  const spec = makeSpec({ fleets: [fleet, other] });

  const one = await findStillServed(pass, [spec], await summariesOf(bucket, [serving]));
  const both = await findStillServed(
    pass,
    [spec],
    await summariesOf(bucket, [serving, { of: other, claims: [{}] }]),
  );

  assert.deepEqual([one.size, both.size], [0, 1]);
  assert.deepEqual(fieldsOf('fleet.recovering').at(-1), { fleet: 'other', missing: 1, served: 1 });
});

test('while nothing is missing, no status is read', async () => {
  const bucket = memoryBucket(reportTime);
  const summaries = await summariesOf(bucket, [serving]);
  const { log } = recordEvents();
  const before = bucket.calls.length;

  await findStillServed({ bucket, log, signing: testSigning, timing: fakeClock() }, [], summaries);

  assert.equal(bucket.calls.length, before);
});

test('the order of a pass: what nobody serves, what ends soon, and last what hosts still serve', async () => {
  const bucket = memoryBucket(reportTime);
  const dates = { notBefore: after(noon, -70 * DAY_MS), notAfter: after(noon, 20 * DAY_MS) };
  const soon = makePemRef({
    notBefore: dates.notBefore.toISOString(),
    notAfter: dates.notAfter.toISOString(),
  });
  await publishEntry(bucket, 'soon.test', makeEntry({ identifiers: ['soon.test'], pems: [soon] }));
  const hosts = await summariesOf(bucket, [serving]);
  const { passFor } = passOver(bucket);
  const pass = passFor(['a', 'soon', 'dark'].map((name) => ({ identifiers: [`${name}.test`] })));
  const survey = await completeSurvey(pass, await surveyBucket(pass), {
    revoked: new Set(),
    isPublished: false,
  });

  const plans = withinBudget(await decideAll(pass, { ...survey, hosts }), survey.budget);

  assert.deepEqual(
    plans.map(({ spec, decision }) => `${spec.name} ${decision.reason}`),
    ['dark.test missing', 'soon.test lifetime', 'a.test missing'],
  );
});

test('the first pass after a loss asks the hosts: what they took for listed until now is known by its history', async () => {
  const bucket = memoryBucket(reportTime);
  const names = ['a', 'dark'].map((name) => `${name}.test`);
  const old = makePemRef({ notAfter: end.toISOString() });
  for (const name of names) {
    await publishEntry(bucket, name, makeEntry({ identifiers: [name], pems: [old] }));
  }
  const files = [
    { name: 'a.test', file: { isUnlisted: undefined, receipt: undefined, disk: { sha256: old.sha256 } } },
    // Not ours, whatever the host says.
    { name: 'dark.test', file: { isUnlisted: undefined, receipt: undefined, disk: { sha256 } } },
  ].map((claim) => unlisted(fleet, claim as Claim));
  const status = makeHostStatus('lb0', { files });
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  for (const key of await bucket.list(layout.published(fleet))) await bucket.delete(key);
  const { passFor, events } = passOver(bucket);

  const { outcomes } = await runPass(
    passFor(
      names.map((name) => ({ identifiers: [name] })),
      { dryRun: true },
    ),
  );

  assert.deepEqual(
    outcomes.map(({ reason }) => reason),
    ['missing', 'missing'],
  );
  assert.deepEqual(events.fieldsOf('fleet.recovering'), [{ fleet, missing: 2, served: 1 }]);
});

test('the first pass after a loss goes above what hosts report only now', async () => {
  const bucket = memoryBucket(reportTime);
  const ahead = after(noon, 12 * HOUR_MS);
  await publishEntry(bucket, 'a.test');
  await testPublisher(bucket, fleet, { now: () => ahead }).maintain(new Set());
  const head = /"signature": "([^"]+)"/.exec(bucket.text(layout.root(fleet)) ?? '')?.[1] ?? '';
  const status = makeHostStatus('lb0', { contract: 2, head });
  await bucket.put(layout.status(fleet, status.host), serializeHostStatus(status));
  await bucket.delete(layout.root(fleet));

  await passOver(bucket).run([{ identifiers: ['a.test'] }]);

  const { sequence = 0 } = (await readPublished(bucket, fleet))?.manifest ?? {};
  assert.ok(sequence > ahead.getTime(), `${sequence}`);
});
