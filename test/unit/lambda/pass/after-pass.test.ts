// The end of a pass: what was done is not forgotten because something else could not be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { type FleetName, fleetName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { readHostSummaries } from '../../../../lambda/fleet/hosts.ts';
import type { FleetNotifier } from '../../../../lambda/fleet/run-command.ts';
import { writeHold } from '../../../../lambda/hold/holds.ts';
import type { Outcome, UnconfiguredOutcome } from '../../../../lambda/outcome.ts';
import { afterPass, noPass } from '../../../../lambda/pass/after-pass.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, fakeClock, noon } from '../../../support/clock.ts';
import {
  fleet,
  makeConfig,
  makeEntry,
  makeHostStatus,
  makePemRef,
  named,
} from '../../../support/issuer/documents.ts';
import { recordEvents } from '../../../support/issuer/events.ts';

const config = makeConfig([{ identifiers: ['a.test'] }]);
const notifier: FleetNotifier = { notify: async () => 'command-1', result: async () => undefined };
const manifests = new Map([[fleet, { manifest: emptyManifest(fleet, noon), etag: '"m"' }]]);
const result = { outcomes: [], manifests, changed: [fleet] };

test('hosts that were called are remembered, though their statuses cannot be read', async () => {
  const bucket = memoryBucket();
  const broken = new BucketError('ERR_BUCKET_UNREACHABLE', layout.statuses(fleet), 'S3 is out of reach');
  const entries = () => Promise.reject(broken);
  const { log } = recordEvents();

  const unlisted = interposed(bucket, { entries });
  const ended = await afterPass({ bucket: unlisted, timing: fakeClock(), log, config }, notifier, result);

  assert.deepEqual(ended.failures, [broken]);
  assert.equal(ended.metrics.RunFinished, 1);
  assert.deepEqual((await readHostSummaries(bucket)).calls, [{ command: 'command-1', fleet, at: noon }]);
});

const old = fleetName.parse('old');
const withEntry = (of: FleetName, days: number) => {
  const dates = { notBefore: after(noon, (days - 90) * DAY_MS), notAfter: after(noon, days * DAY_MS) };
  const [notBefore, notAfter] = [dates.notBefore.toISOString(), dates.notAfter.toISOString()];
  const entry = makeEntry({ pems: [makePemRef({ notBefore, notAfter })] });
  const manifest = { ...emptyManifest(of, noon), certificates: { [named('a.test')]: entry } };
  return [of, { manifest, etag: '"m"' }] as const;
};

test('in a fleet that a certificate has left, it is ending and not overdue, and no command goes there', async () => {
  const bucket = memoryBucket(() => noon);
  const sent: string[] = [];
  const notify = async (to: FleetName) => {
    sent.push(to);
    return 'command-1';
  };
  const outcomes: Outcome[] = [
    { certificate: named('a.test'), result: 'kept', reason: 'fresh', identifiers: ['a.test'] },
  ];
  const notAfter = after(noon, 5 * DAY_MS).toISOString();
  const unconfigured: UnconfiguredOutcome[] = [
    {
      ...{ fleet: old, certificate: named('a.test'), result: 'kept', reason: 'not-covered' },
      ...{ identifiers: ['a.test'], serial: '0A', notAfter },
    },
  ];
  // What lb1 left behind when it moved.
  for (const status of [
    makeHostStatus('lb1', { fleet: old, reportedAt: after(noon, -DAY_MS).toISOString() }),
    makeHostStatus('lb1'),
  ]) {
    await bucket.put(layout.status(status.fleet, status.host), serializeHostStatus(status));
  }

  const { metrics } = await afterPass(
    { bucket, config, timing: fakeClock(), log: recordEvents().log },
    { ...notifier, notify },
    {
      ...{ outcomes, unconfigured, configuredFleets: [fleet], changed: [fleet, old] },
      manifests: new Map([withEntry(fleet, 80), withEntry(old, 5)]),
    },
  );

  assert.deepEqual(sent, ['default']);
  const { CertificatesOverdue, CertificatesUnconfigured, CertificatesEnding, DaysToExpiry, HostsSilent } =
    metrics;
  assert.deepEqual(
    { CertificatesOverdue, CertificatesUnconfigured, CertificatesEnding, DaysToExpiry, HostsSilent },
    {
      CertificatesOverdue: 0,
      CertificatesUnconfigured: 1,
      CertificatesEnding: 0,
      DaysToExpiry: 80,
      HostsSilent: 0,
    },
  );
});

test('what fails before there is an order fails on in a pass over others, and ends with its success', async () => {
  const bucket = memoryBucket();
  const two = makeConfig([{ identifiers: ['a.test'] }, { identifiers: ['b.test'] }]);
  const { log } = recordEvents();
  const end = async (outcomes: Outcome[]) => {
    const pass = { bucket, timing: fakeClock(), log, config: two };
    return (await afterPass(pass, undefined, { ...result, outcomes, changed: [] })).metrics
      .CertificatesFailing;
  };
  const outcomeOf = (name: string, last: Outcome['result']): Outcome => ({
    ...{ certificate: named(name), result: last, reason: 'missing', identifiers: [name] },
    ...(last === 'failed' && { error: { code: 'ERR_ACME_UNREACHABLE', message: 'ECONNREFUSED' } }),
  });

  assert.equal(await end([outcomeOf('a.test', 'failed'), outcomeOf('b.test', 'issued')]), 1);
  assert.equal(await end([outcomeOf('b.test', 'kept')]), 1);
  const [failure] = Object.entries((await readHostSummaries(bucket)).failures);
  assert.equal(failure?.[0], 'a.test');
  assert.equal(await end([outcomeOf('a.test', 'issued')]), 0);
});

test('a host whose fleet is mistyped is behind while it reports, and in no figure when it reports no more', async () => {
  const error = { code: 'ERR_MANIFEST_MISSING', message: 'nothing is published for this fleet' };
  const typo = fleetName.parse('defualt');
  const figures = async (reportedAt: Date) => {
    const bucket = memoryBucket(() => reportedAt);
    const status = makeHostStatus('lb9', { fleet: typo, reportedAt: reportedAt.toISOString(), error });
    await bucket.put(layout.status(typo, status.host), serializeHostStatus(status));
    const pass = { bucket, config, timing: fakeClock(), log: recordEvents().log };
    const { metrics, problems } = await afterPass(pass, undefined, { ...result, changed: [] });
    return {
      behind: metrics.HostsBehind,
      silent: metrics.HostsSilent,
      of: problems.map(({ subject }) => subject),
    };
  };

  const missing = ['a.test'];
  assert.deepEqual(await figures(noon), { behind: 1, silent: 0, of: [...missing, 'defualt/lb9'] });
  assert.deepEqual(await figures(after(noon, -4 * HOUR_MS)), { behind: 0, silent: 0, of: missing });
});

test('what an operator holds is not overdue between two passes either, nor after one that could not begin', async () => {
  const bucket = memoryBucket(() => noon);
  const manifests = new Map([withEntry(fleet, 21)]);
  const pass = { bucket, config, timing: fakeClock(), log: recordEvents().log };
  const end = () => afterPass(pass, undefined, { ...noPass(config), manifests });
  assert.equal((await end()).metrics.CertificatesOverdue, 1);

  const word = { at: noon.toISOString(), reason: 'old phones', by: 'ada' };
  await writeHold(bucket, { certificate: named('a.test') }, word);
  const { metrics, problems } = await end();

  assert.deepEqual([metrics.CertificatesOverdue, metrics.CertificatesHeld], [0, 1]);
  assert.deepEqual(
    problems.map(({ level }) => level).filter((level) => level === 'CertificatesOverdue'),
    [],
  );
});
