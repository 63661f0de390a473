/** What is to be revoked, at the end of a pass: who is asked, and what the pass does where the store or the operator says no meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { certificateName, type FleetName, fleetName, hostName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NoAcmeAnswer } from '../../../../lambda/acme/problem.ts';
import type { Ca } from '../../../../lambda/ca/ca.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import {
  addToRevocation,
  cancelRevocation,
  readRevocation,
} from '../../../../lambda/replacement/revocations.ts';
import { entryFor } from '../../../support/agent/publish.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket, reportTime } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, fleet, makeEntry, makeHostStatus } from '../../../support/issuer/documents.ts';
import { passOver, unreachableCa } from '../../../support/issuer/pass.ts';
import { testPublisher } from '../../../support/issuer/signing.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const edge = fleetName.parse('edge');
const name = certificateName.parse('a.test');
const dates = { notBefore: after(noon, -30 * DAY_MS), notAfter: after(noon, 60 * DAY_MS) };
const CONFIG = [{ identifiers: ['a.test'] }];

/** `old` is to be revoked, `fresh` has taken its place in the fleets that are given. */
async function stage(
  fleets: readonly FleetName[] = [fleet],
  reason: 'keyCompromise' | 'superseded' = 'keyCompromise',
) {
  const memory = memoryBucket((key, body) => (key.startsWith('status/') ? reportTime(key, body) : noon));
  const publish = async (of: FleetName, pem: string, publishedAt: Date) => {
    const { issued } = makeEntry();
    const entry = makeEntry({ ...entryFor(pem, ['a.test']), publishedAt: publishedAt.toISOString(), issued });
    const [{ sha256, serial } = { sha256: '', serial: '' }] = entry.pems;
    await testPublisher(memory, of).publish(name, entry, [{ sha256, text: pem }]);
    return { sha256, serial };
  };
  const [first, second] = [
    await pki.issue({ names: ['a.test'], ...dates }),
    await pki.issue({ names: ['a.test'], ...dates }),
  ];
  const asked = after(noon, -2 * HOUR_MS);
  const all = [...new Set([fleet, edge, ...fleets])];
  let old = { sha256: '', serial: '' };
  let fresh = old;
  for (const of of all) old = await publish(of, first.combined, after(asked, -DAY_MS));
  for (const of of fleets) fresh = await publish(of, second.combined, after(asked, HOUR_MS));
  await addToRevocation(memory, name, [
    { ...old, directoryUrl: DIRECTORY_URL, at: asked.toISOString(), reason, by: 'a test' },
  ]);
  const report = async (host: string, of: FleetName, pem: { sha256: string; serial: string }) => {
    const reportedAt = noon.toISOString();
    const { sha256, serial } = pem;
    const file: FileStatus = {
      file: 'a.test.pem',
      certificate: name,
      state: 'served',
      since: reportedAt,
      wanted: { sha256, serial },
    };
    const status = makeHostStatus(host, { fleet: of, reportedAt, files: [file] });
    await memory.put(layout.status(of, hostName.parse(host)), serializeHostStatus(status));
  };
  const told: string[] = [];
  let passes = 0;
  const pass = async (certificates: object[] = CONFIG, changes: Partial<Bucket> = {}) => {
    const bucket = interposed(memory, changes);
    passes += 1;
    const timing = fakeClock(after(noon, passes * 10 * MINUTE_MS));
    const cas = new Map([[DIRECTORY_URL, revokingCa(told)]]);
    const { passFor } = passOver(memory, { bucket, cas, timing });
    return (await runPass(passFor(certificates))).revocations ?? [];
  };
  return { memory, old, fresh, report, pass, told };
}

/** It revokes, and issues nothing. */
function revokingCa(told: string[]): Ca {
  const directory = { revokeCert: 'https://ca.test/revoke' };
  const post = async (url: string) => {
    if (url === directory.revokeCert) return told.push(url);
    throw new NoAcmeAnswer(`POST ${url}: ECONNREFUSED`);
  };
  return { ...unreachableCa(), account: async () => ({ directory, post }) as never };
}

test('a fleet from which the certificate has moved still serves the old one: its hosts are waited for until it is withdrawn', async () => {
  const { memory, old, fresh, report, pass, told } = await stage();
  await report('lb1', fleet, fresh);
  await report('lb2', edge, old);

  const [waiting] = await pass();
  await testPublisher(memory, edge).withdraw([name], { reason: 'withdrawn', yes: true });
  const [done] = await pass();

  assert.deepEqual([waiting?.result, waiting?.hosts], ['waiting', ['edge/lb2']]);
  assert.equal(done?.result, 'revoked');
  assert.equal(told.length, 1);
});

test('a host that has moved along, and reports in the new fleet since, is not waited for in the old one', async () => {
  const { memory, old, fresh, report, pass } = await stage();
  await report('lb1', fleet, fresh);
  const files: FileStatus[] = [
    { file: 'a.test.pem', certificate: name, state: 'served', since: noon.toISOString(), wanted: old },
  ];
  const before = makeHostStatus('lb1', {
    fleet: edge,
    reportedAt: after(noon, -HOUR_MS).toISOString(),
    files,
  });
  await memory.put(layout.status(edge, before.host), serializeHostStatus(before));

  assert.equal((await pass())[0]?.result, 'revoked');
});

test('what is configured no more is revoked once it is withdrawn everywhere, and not before', async () => {
  const { memory, old, report, pass, told } = await stage([]);
  await report('lb1', fleet, old);
  const others = [{ identifiers: ['b.test'] }];

  const [waiting] = await pass(others);
  for (const of of [fleet, edge]) {
    await testPublisher(memory, of).withdraw([name], { reason: 'withdrawn', yes: true });
  }
  const [done] = await pass(others);

  assert.deepEqual([waiting?.result, waiting?.hosts], ['waiting', ['default/lb1']]);
  assert.equal(done?.result, 'revoked');
  assert.equal(told.length, 1);
});

test('a stolen key that the store does not delete keeps the request until it is gone; each pass tries again', async () => {
  const { memory, old, fresh, report, pass } = await stage([fleet, edge]);
  await report('lb1', fleet, fresh);
  const denied = {
    erase: async (key: string) => {
      throw new BucketError('ERR_BUCKET_DENIED', key, 'is denied: the role needs s3:DeleteObject');
    },
  };

  const first = await pass(CONFIG, denied);
  const roots = () => [fleet, edge].map((of) => memory.text(layout.root(of)));
  const [signed, tombstones] = [roots(), memory.text(layout.tombstones(fleet))];
  const refused = [...first, ...(await pass(CONFIG, denied))];
  const isKept = (await readRevocation(memory, name)) !== undefined;
  const [done] = await pass();

  assert.deepEqual(
    refused.map(({ result, error }) => [result, /key is still in the bucket/.test(error?.message ?? '')]),
    [
      ['failed', true],
      ['failed', true],
    ],
  );
  assert.equal(isKept, true);
  assert.deepEqual(
    [roots(), memory.text(layout.tombstones(fleet))],
    [signed, tombstones],
    'nothing is said anew',
  );
  assert.equal(done?.result, 'revoked');
  assert.equal(memory.text(layout.pem(fleet, name, old.sha256)), undefined);
  assert.equal(await readRevocation(memory, name), undefined);
});

test('revoked, its PEM gone, and the history without its certificate: the request ends', async () => {
  const { memory, old, fresh, report, pass } = await stage([fleet, edge]);
  await report('lb1', fleet, fresh);
  const words = { reason: 'revoked' } as const;
  for (const of of [fleet, edge]) {
    await testPublisher(memory, of).endPems(
      name,
      [{ sha256: old.sha256, notAfter: dates.notAfter.toISOString() }],
      words,
    );
    await memory.delete(layout.pem(of, name, old.sha256));
    await memory.delete(layout.history(of, name));
  }

  assert.equal((await pass())[0]?.result, 'revoked');
  assert.equal(await readRevocation(memory, name), undefined);
});

test('a request that is taken back while the pass works revokes nothing', async () => {
  const { memory, fresh, report, pass, told } = await stage([fleet, edge]);
  await report('lb1', fleet, fresh);
  let isRead = false;
  const get = async (key: string, options?: never) => {
    const object = await memory.get(key, options as never);
    if (key !== layout.revocation(name) || isRead) return object;
    isRead = true;
    await cancelRevocation(memory, name, noon);
    return object;
  };

  assert.deepEqual(await pass(CONFIG, { get: get as Bucket['get'] }), []);
  assert.deepEqual(told, []);
});
