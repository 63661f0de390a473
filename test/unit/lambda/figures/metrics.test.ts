// A row for each metric: what it counts, and what it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { fleetName } from '#contract/layout.ts';
import type { Level } from '../../../../lambda/figures/levels.ts';
import { metricsOf, type PassFacts, type PassMetrics } from '../../../../lambda/figures/metrics.ts';
import type { FleetHosts, PublishedPem } from '../../../../lambda/figures/problems.ts';
import { SILENT_AFTER_MS } from '../../../../lambda/fleet/behind.ts';
import type { HostSummary } from '../../../../lambda/fleet/summary.ts';
import type { Outcome, UnconfiguredOutcome } from '../../../../lambda/outcome.ts';
import { after, noon } from '../../../support/clock.ts';
import { named } from '../../../support/issuer/documents.ts';

const outcomeOf = (result: Outcome['result']): Outcome => ({
  certificate: named('a.test'),
  result,
  reason: 'missing',
  identifiers: ['a.test'],
});
/** Of `days`, and `left` of them still to go. */
const lifetimeOf = (days: number, left: number): Lifetime => ({
  notBefore: after(noon, (left - days) * DAY_MS),
  notAfter: after(noon, left * DAY_MS),
});
const summaryOf = (changes: Partial<HostSummary> = {}): HostSummary => ({
  etag: '"s"',
  reportedAt: noon,
  manifest: '"new"',
  states: { served: 2 },
  ...changes,
});
const headAt = (minutes: number) => ({ sequence: 1, signedAt: after(noon, minutes * MINUTE_MS) });
/** One host, under a manifest of that age. */
const fleetOf = (note: HostSummary, minutes = 31): FleetHosts => ({
  fleet: 'default',
  summaries: { lb1: note },
  manifest: { etag: '"new"', updatedAt: after(noon, -minutes * MINUTE_MS) },
});

function unconfiguredOf(
  name: string,
  days: number,
  result: UnconfiguredOutcome['result'] = 'kept',
): UnconfiguredOutcome {
  return {
    ...{ fleet: fleetName.parse('default'), certificate: named(name), result, reason: 'not-covered' },
    ...{ identifiers: [name], serial: '0A', notAfter: after(noon, days * DAY_MS).toISOString() },
  };
}

type Lifetime = Pick<PublishedPem, 'notBefore' | 'notAfter'>;

interface Row {
  says: string;
  outcomes?: Outcome[];
  lifetimes?: Lifetime[];
  fleets?: FleetHosts[];
  unconfigured?: UnconfiguredOutcome[];
  notifyFailed?: number;
  failing?: PassFacts['failing'];
  missing?: PassFacts['missing'];
  metrics: Partial<Record<keyof PassMetrics, number | undefined>>;
}

const published: Row[] = [
  {
    says: 'a pass over nothing has run all the same',
    metrics: { RunFinished: 1, CertificatesIssued: 0, HostsBehind: 0, DaysToExpiry: undefined },
  },
  {
    says: 'outcomes are counted by their result',
    outcomes: (['issued', 'issued', 'failed', 'kept', 'deferred', 'postponed'] as const).map(outcomeOf),
    metrics: { CertificatesIssued: 2, CertificatesFailing: 1 },
  },
  {
    says: 'days are those of the certificate that expires first',
    lifetimes: [lifetimeOf(90, 60), lifetimeOf(90, 12.5), lifetimeOf(90, 89)],
    metrics: { DaysToExpiry: 12.5 },
  },
  {
    says: 'an expired certificate has negative days and is overdue',
    lifetimes: [lifetimeOf(90, -2)],
    metrics: { DaysToExpiry: -2, CertificatesOverdue: 1 },
  },
  {
    says: 'a quarter of the life left is not late',
    lifetimes: [lifetimeOf(100, 25)],
    metrics: { CertificatesOverdue: 0 },
  },
  { says: 'less than a quarter is', lifetimes: [lifetimeOf(100, 24.9)], metrics: { CertificatesOverdue: 1 } },
  {
    says: 'of six days, 2.25 are not late',
    lifetimes: [lifetimeOf(6, 2.25)],
    metrics: { CertificatesOverdue: 0 },
  },
  { says: 'of six days, 2.2 are', lifetimes: [lifetimeOf(6, 2.2)], metrics: { CertificatesOverdue: 1 } },
  { says: 'calls that failed are passed on', notifyFailed: 3, metrics: { NotifyFailed: 3 } },
];

const hosts: Row[] = [
  {
    says: 'a host that serves what is published is well',
    fleets: [fleetOf(summaryOf())],
    metrics: { HostsBehind: 0, HostsSilent: 0, NeedsReload: 0 },
  },
  {
    says: 'a host that has not seen the manifest for half an hour is behind',
    fleets: [fleetOf(summaryOf({ manifest: '"old"' }))],
    metrics: { HostsBehind: 1 },
  },
  {
    says: 'a host that has read the last change is not behind, though the root was signed anew since',
    fleets: [fleetOf(summaryOf({ manifest: '"old"', head: headAt(-31) }), 31)],
    metrics: { HostsBehind: 0 },
  },
  {
    says: 'a host that has read an earlier root is behind, whatever ETag it reports',
    fleets: [fleetOf(summaryOf({ head: headAt(-32) }), 31)],
    metrics: { HostsBehind: 1 },
  },
  {
    says: 'it has half an hour',
    fleets: [fleetOf(summaryOf({ manifest: '"old"', states: { pending: 1 } }), 30)],
    metrics: { HostsBehind: 0 },
  },
  {
    says: 'a host that has never seen one is behind',
    fleets: [{ ...fleetOf({ etag: '"s"', reportedAt: noon, states: {} }) }],
    metrics: { HostsBehind: 1 },
  },
  {
    says: 'a file that is not served after half an hour makes its host behind',
    fleets: [fleetOf(summaryOf({ states: { served: 5, failed: 1 } }))],
    metrics: { HostsBehind: 1, NeedsReload: 0 },
  },
  {
    says: 'a host in need of a reload is counted at once, and behind later',
    fleets: [fleetOf(summaryOf({ states: { 'needs-reload': 1 } }), 5)],
    metrics: { HostsBehind: 0, NeedsReload: 1 },
  },
  {
    says: 'a host that is blocked as a whole is behind at once',
    fleets: [fleetOf(summaryOf({ error: 'ERR_RUNTIME_SOCKET' }), 0)],
    metrics: { HostsBehind: 1 },
  },
  {
    says: 'where nothing is published no host is behind',
    fleets: [{ fleet: 'default', summaries: { lb1: summaryOf({ manifest: '"old"' }) }, manifest: undefined }],
    metrics: { HostsBehind: 0 },
  },
  {
    says: 'a host is not silent before it is due',
    fleets: [fleetOf(summaryOf({ reportedAt: after(noon, -SILENT_AFTER_MS) }))],
    metrics: { HostsSilent: 0 },
  },
  {
    says: 'a silent host is silent, and nothing else',
    fleets: [
      fleetOf(
        summaryOf({
          reportedAt: after(noon, -SILENT_AFTER_MS - 1),
          manifest: '"old"',
          error: 'ERR_BUCKET_UNREACHABLE',
          states: { 'needs-reload': 1 },
        }),
      ),
    ],
    metrics: { HostsSilent: 1, HostsBehind: 0, NeedsReload: 0 },
  },
  {
    says: 'a host that was removed counts as nothing',
    fleets: [
      fleetOf(
        summaryOf({
          hasLeft: true,
          reportedAt: after(noon, -SILENT_AFTER_MS - 1),
          manifest: '"old"',
          states: { pending: 1, 'needs-reload': 1 },
        }),
      ),
    ],
    metrics: { HostsSilent: 0, HostsBehind: 0, NeedsReload: 0 },
  },
  {
    says: 'hosts of all fleets count, each under its own manifest',
    fleets: [
      fleetOf(summaryOf({ manifest: '"old"' })),
      {
        fleet: 'other',
        summaries: { a: summaryOf({ manifest: '"2"' }), b: summaryOf() },
        manifest: { etag: '"2"', updatedAt: after(noon, -DAY_MS) },
      },
    ],
    metrics: { HostsBehind: 2 },
  },
];

const unlistedOn = (...ends: [certificate: string, days: number][]) =>
  summaryOf({
    unlisted: ends.map(([certificate, days]) => ({ certificate, notAfter: after(noon, days * DAY_MS) })),
  });

const endings: Row[] = [
  {
    says: 'what is not configured is counted, and what ends within 14 days besides',
    unconfigured: [unconfiguredOf('a', 60), unconfiguredOf('b', 14), unconfiguredOf('c', 13.9)],
    fleets: [fleetOf(summaryOf())],
    metrics: { CertificatesUnconfigured: 3, CertificatesEnding: 1 },
  },
  {
    says: 'what is published to a fleet without a host ends for nobody',
    unconfigured: [unconfiguredOf('c', 5)],
    fleets: [fleetOf(summaryOf({ hasLeft: true }))],
    metrics: { CertificatesUnconfigured: 1, CertificatesEnding: 0 },
  },
  {
    says: 'what was superseded, or has expired, ends no more',
    unconfigured: [unconfiguredOf('a', 5, 'superseded'), unconfiguredOf('b', -1)],
    metrics: { CertificatesUnconfigured: 1, CertificatesEnding: 0 },
  },
  {
    says: 'a certificate that two hosts serve and nothing names ends once; one that is published besides is the same',
    unconfigured: [unconfiguredOf('a', 5)],
    fleets: [
      {
        ...fleetOf(summaryOf()),
        summaries: { lb1: unlistedOn(['a', 5], ['b', 3], ['c', 30]), lb2: unlistedOn(['b', 3]) },
      },
    ],
    metrics: { CertificatesUnconfigured: 1, CertificatesEnding: 2 },
  },
  {
    says: 'what a host that left or is silent served does not count',
    fleets: [
      fleetOf({ ...unlistedOn(['a', 5]), hasLeft: true }),
      fleetOf({ ...unlistedOn(['b', 5]), reportedAt: after(noon, -SILENT_AFTER_MS - 1) }),
    ],
    metrics: { CertificatesEnding: 0 },
  },
];

const failing = (certificate: string) => ({ certificate, code: 'ERR_ACME_PROBLEM', since: noon });
const missing = (fleet: string, certificate: string) => ({ fleet, certificate });
const shown = (certificate: string, days: number) => ({ certificate, notAfter: after(noon, days * DAY_MS) });
const drifted = (days: number, hoursAgo: number) => ({
  ...{ certificate: 'a.test', kind: 'file-edited', days, first: after(noon, -9 * DAY_MS) },
  at: after(noon, -hoursAgo * 3_600_000),
});
const unproven = { files: 3, certificate: 'a.test', reason: 'unreachable', since: noon };

/** Field rows C1, C2, C4, C5 and what issue 15 adds: what is true at the end of the pass, whatever the pass itself did. */
const levels: Row[] = [
  {
    says: 'C1: a certificate that backs off fails still; one that failed in this pass besides counts once',
    outcomes: [{ ...outcomeOf('deferred'), reason: 'backing-off' }],
    failing: [failing('a.test'), failing('b.test')],
    metrics: { CertificatesFailing: 2 },
  },
  {
    says: 'C1: an outcome without a record (its record cannot be written) is a failure, too',
    outcomes: [outcomeOf('failed')],
    failing: [failing('a.test')],
    metrics: { CertificatesFailing: 1 },
  },
  {
    says: 'C2: what is configured and was never published counts once, however many fleets lack it',
    missing: [missing('default', 'a.test'), missing('other', 'a.test'), missing('default', 'b.test')],
    metrics: { CertificatesMissing: 2 },
  },
  {
    says: 'C4: an expired certificate is expired, published or served by a host, and counts once in a fleet',
    lifetimes: [lifetimeOf(90, -0.01), lifetimeOf(90, 0.01)],
    unconfigured: [unconfiguredOf('old', -1)],
    fleets: [fleetOf(summaryOf({ expiring: [shown('c0', -0.01), shown('gone', -5), shown('soon', 1)] }))],
    metrics: { CertificatesExpired: 3 },
  },
  {
    says: 'C5: a host-level error counts, though all files are served',
    fleets: [fleetOf(summaryOf({ error: 'ERR_CERTS_DIRECTORY', states: { served: 9 } }))],
    metrics: { HostsBehind: 1 },
  },
  {
    says: 'a host that was expected and never came is missing; a silent one has come',
    fleets: [
      {
        ...fleetOf(summaryOf({ reportedAt: after(noon, -SILENT_AFTER_MS - 1) })),
        expected: 3,
      },
    ],
    metrics: { HostsMissing: 2, HostsSilent: 1 },
  },
  {
    says: 'a host with files that a handshake should show, or with proofs of long ago, is unproven',
    fleets: [
      {
        ...fleetOf(summaryOf()),
        summaries: {
          lb1: summaryOf({ unproven }),
          lb2: summaryOf({ proofs: { ageMs: 31 * MINUTE_MS, spanMs: 10 * MINUTE_MS } }),
          lb3: summaryOf({ proofs: { ageMs: 30 * MINUTE_MS, spanMs: 10 * MINUTE_MS } }),
        },
      },
    ],
    metrics: { HostsUnproven: 2, OldestProofHours: 31 / 60 },
  },
  {
    says: 'where no host says how old its proofs are, there is no such figure',
    fleets: [fleetOf(summaryOf())],
    metrics: { OldestProofHours: undefined },
  },
  {
    says: 'drifts of the last day are counted, and what was found on three days, lately, returns',
    fleets: [
      fleetOf(summaryOf({ drift: [drifted(3, 30), drifted(1, 2), drifted(2, 23)] })),
      { ...fleetOf(summaryOf({ drift: [drifted(9, 49)] })), fleet: 'other' },
    ],
    metrics: { DriftRepaired: 2, DriftReturning: 1 },
  },
  {
    says: 'a silent host is silent, and none of these',
    fleets: [
      fleetOf(
        summaryOf({
          ...{ reportedAt: after(noon, -SILENT_AFTER_MS - 1), unproven, drift: [drifted(3, 1)] },
          expiring: [shown('a', -1)],
        }),
      ),
    ],
    metrics: {
      HostsSilent: 1,
      HostsUnproven: 0,
      DriftRepaired: 0,
      DriftReturning: 0,
      CertificatesExpired: 0,
    },
  },
];

const ROWS = [...published, ...hosts, ...endings, ...levels];

function factsOf({ outcomes = [], lifetimes = [], fleets = [], notifyFailed = 0, ...row }: Row): PassFacts {
  const { unconfigured = [], failing = [], missing = [] } = row;
  const failedCalls = Array.from({ length: notifyFailed }, (_, index) => ({
    ...{ fleet: named(`fleet${index}`), code: 'ERR_TEST', since: noon },
  }));
  return {
    ...{ outcomes, unconfigured, fleets, failing, missing, now: noon },
    published: lifetimes.map((lifetime, index) => ({
      ...{ fleet: 'default', certificate: `c${index}` },
      ...lifetime,
    })),
    failedCalls: failedCalls as unknown as PassFacts['failedCalls'],
  };
}

for (const row of ROWS) {
  test(`metrics: ${row.says}`, () => {
    const all = metricsOf(factsOf(row));

    for (const [name, value] of Object.entries(row.metrics)) {
      assert.equal(all[name as keyof PassMetrics], value, name);
    }
  });
}

test('each figure, set to 0, fails a row', () => {
  const figures = new Set(ROWS.flatMap((row) => Object.keys(metricsOf(factsOf(row)))));

  for (const figure of figures) {
    const failed = ROWS.filter((row) => {
      const mutated: Partial<Record<string, number>> = { ...metricsOf(factsOf(row)), [figure]: 0 };
      return Object.entries(row.metrics).some(([name, value]) => mutated[name] !== value);
    });
    const hasPositive = failed.some(({ metrics }) => (metrics[figure as keyof PassMetrics] ?? 0) > 0);
    assert.ok(hasPositive, figure);
  }
});

test('a level of which some facts are unknown is no zero; what is known to be wrong counts', () => {
  const facts = factsOf({ says: '', missing: [missing('default', 'a.test')], metrics: {} });

  const metrics = metricsOf({ ...facts, incomplete: new Set<Level>(['CertificatesMissing', 'HostsSilent']) });

  assert.deepEqual(
    [metrics.CertificatesMissing, metrics.HostsSilent, metrics.HostsBehind],
    [1, undefined, 0],
  );
});

test('each figure but the two that may be absent is there, and each is more than zero in some row', () => {
  const raised = new Set(
    ROWS.flatMap(({ metrics }) =>
      Object.entries(metrics).flatMap(([name, value]) => ((value ?? 0) > 0 ? [name] : [])),
    ),
  );
  const facts = {
    outcomes: [],
    published: [],
    unconfigured: [],
    fleets: [],
    failedCalls: [],
    failing: [],
    missing: [],
  };
  const absent = ['DaysToExpiry', 'OldestProofHours'];

  assert.deepEqual(
    [...raised].sort(),
    [...Object.keys(metricsOf({ ...facts, now: noon })), ...absent].sort(),
  );
});
