// Standing still costs the same for ten certificates as for ten thousand: the requests of an idle pass are counted.
import assert from 'node:assert/strict';
import { after as afterAll, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, hostName, layout } from '#contract/layout.ts';
import { signReceipt } from '#contract/receipt.ts';
import { serializeRoot } from '#contract/root.ts';
import { serializeCached } from '#storage/cached-document.ts';
import { openBucket } from '#storage/open.ts';
import { checkConfig } from '../../../lambda/config/config.ts';
import { afterPass } from '../../../lambda/pass/after-pass.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { runPassExclusively } from '../../../lambda/wiring.ts';
import { startAws } from '../../aws/aws.ts';
import { COUNTS } from '../../bench/counts.ts';
import { after, fakeClock, noon } from '../../support/clock.ts';
import { setEnv } from '../../support/env.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeEntry,
  makeHostStatus,
  makePemRef,
} from '../../support/issuer/documents.ts';
import { recordEvents } from '../../support/issuer/events.ts';

const SIZES = [10, 1_000, 10_000];
const MOST_REQUESTS = 20;

const aws = await startAws();
afterAll(aws.stop);
afterAll(setEnv(aws.administrator.env));

const namesOf = (size: number) => Array.from({ length: size }, (_, index) => `c${index}.test`);
const certIdOf = (name: string) => `${Buffer.from(name).toString('base64url')}.AA`;

/** As a pass has left it: published, with the CA's windows, and one host that serves it. */
async function furnish(bucket: string, names: readonly string[]): Promise<void> {
  const { lineage, signer } = await openSigningKey(await openBucket(`s3://${bucket}`), { fleets: [] });
  const entries = names.map((name, index) => {
    const sha256 = index.toString(16).padStart(64, '0');
    const pem = makePemRef({ sha256, certId: certIdOf(name) });
    aws.s3.write(bucket, layout.pem(fleet, certificateName.parse(name), sha256), 'a PEM'.padEnd(pem.size));
    const claims = { fleet, name: certificateName.parse(name), sha256, notAfter: pem.notAfter, sequence: 1 };
    const pems = [{ ...pem, receipt: signReceipt(signer, claims) }];
    return [name, makeEntry({ identifiers: [name], pems, sequence: 1 })];
  });
  const { text, head } = serializeRoot(
    {
      ...{ version: 2, fleet, lineage, sequence: 1, requires: [], tombstones: {} },
      ...{ signedAt: noon.toISOString(), updatedAt: noon.toISOString() },
      certificates: Object.fromEntries(entries),
    },
    signer,
  );
  aws.s3.write(bucket, layout.root(fleet), text);
  const window = {
    ...{ start: after(noon, 60 * DAY_MS), end: after(noon, 61 * DAY_MS) },
    ...{ renewAt: after(noon, 60.5 * DAY_MS), pollAfter: after(noon, DAY_MS) },
  };
  const windows = Object.fromEntries(names.map((name) => [certIdOf(name), window]));
  aws.s3.write(bucket, layout.renewalInfo, serializeCached({ version: 1, windows }));
  const status = makeHostStatus('lb1', { contract: 2, head });
  aws.s3.write(bucket, layout.status(fleet, status.host), serializeHostStatus(status));
}

/** As the issuer's handler does it. */
async function runIdlePass(name: string, names: readonly string[]) {
  const bucket = await openBucket(`s3://${name}`);
  const config = checkConfig('test', {
    ...{ bucket: bucket.url, acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true } },
    certificates: names.map((identifier) => ({ identifiers: [identifier] })),
  });
  const [timing, events] = [fakeClock(), recordEvents()];
  const { log } = events;
  const identity = { id: 'test', label: 'test' };
  const request = { bucket, config, options: {}, timing, random: () => 0.5, log, identity };
  const result = await runPassExclusively(request);
  const { metrics } = await afterPass({ bucket, config, timing, log }, undefined, result);
  return { outcomes: result.outcomes, figures: metrics };
}

/** The store's clock is that of this machine, and the issuer's stands at noon: more than a day between them is no pass of today. */
function writersAtNoon(bucket: string): void {
  const { writers, ...rest } = JSON.parse(aws.s3.text(bucket, layout.writers) ?? '');
  const seen = writers.map((one: object) => ({ ...one, lastSeen: noon.toISOString() }));
  aws.s3.write(bucket, layout.writers, JSON.stringify({ ...rest, writers: seen }));
}

const idle = new Map<number, string[]>();

for (const size of SIZES) {
  test(`an idle pass over ${size} certificates makes at most ${MOST_REQUESTS} requests`, async () => {
    const [name, names] = [`idle-${size}`, namesOf(size)];
    aws.s3.createBucket(name);
    await furnish(name, names);
    // Reads the host's status for the first time.
    await runIdlePass(name, names);
    writersAtNoon(name);
    aws.calls.length = 0;

    const { outcomes, figures } = await runIdlePass(name, names);

    const calls = aws.calls.map(({ operation, subject }) => `${operation} ${subject}`).sort();
    idle.set(size, calls);
    assert.ok(calls.length <= MOST_REQUESTS, calls.join('\n'));
    assert.equal(outcomes.filter(({ result }) => result === 'kept').length, size);
    assert.deepEqual([figures.RunFinished, figures.DaysToExpiry, figures.HostsSilent], [1, 90, 0]);
    assert.ok(
      calls.every((call) => !call.startsWith('PutObject')),
      'nothing is written',
    );
  });
}

test('they are the same requests, however many certificates', () => {
  const [few, ...more] = SIZES.map((size) => idle.get(size));

  assert.ok(few !== undefined && few.length > 0);
  for (const calls of more) assert.deepEqual(calls, few);
  const count = (operation: string) => few.filter((call) => call.startsWith(`${operation} `)).length;
  assert.deepEqual({ get: count('GetObject'), list: count('ListObjectsV2') }, COUNTS.idlePass);
});

test('a host that has changed costs two more: its status is read and the book written', async () => {
  const [name, names] = [`idle-${SIZES[0]}`, namesOf(SIZES[0] ?? 0)];
  const key = layout.status(fleet, hostName.parse('lb1'));
  const status = JSON.parse(aws.s3.text(name, key) ?? '');
  aws.s3.write(name, key, JSON.stringify({ ...status, reportedAt: after(noon, 1000).toISOString() }));
  aws.calls.length = 0;

  await runIdlePass(name, names);

  const calls = aws.calls.map(({ operation, subject }) => `${operation} ${subject}`).sort();
  const extra = [`GetObject ${key}`, `PutObject ${layout.hostSummaries}`];
  assert.deepEqual(calls, [...(idle.get(SIZES[0] ?? 0) ?? []), ...extra].sort());
});
