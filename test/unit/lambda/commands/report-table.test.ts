import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportTable } from '../../../../lambda/commands/report-table.ts';
import type { FleetReport } from '../../../../lambda/fleet/report.ts';
import { named } from '../../../support/issuer/documents.ts';

const empty = { certificates: [], silent: [], left: [], unreadable: [], hosts: [], ended: [] };
const certificate = {
  ...{ certificate: 'a.test', isConfigured: true, identifiers: ['a.test', 'b.test'], serial: '0A' },
  notAfter: '2027-02-20T11:00:00.000Z',
};
const since = '2026-11-22T08:00:00.000Z';

test('a fleet is a table of its certificates, and a line for each host that is silent or has left', () => {
  const behind = [
    { host: 'lb2', state: 'failed' as const, error: { code: 'ERR_RUNTIME_REFUSED', message: 'long' } },
    { host: 'lb3', state: 'pending' as const },
  ];

  const table = reportTable([
    {
      ...{ ...empty, fleet: 'edge', certificates: [{ ...certificate, served: ['lb1'], behind }] },
      unreadable: [{ host: 'h9', code: 'ERR_STATUS_VERSION', writtenAt: '2026-03-01T12:00:00.000Z' }],
      silent: [{ host: 'lb3', reportedAt: since }],
      left: [{ host: 'lb4', leftAt: '2026-11-22T09:00:00.000Z' }],
    },
    { ...empty, fleet: 'inner' },
  ]);

  assert.equal(
    table,
    [
      'fleet edge',
      'CERTIFICATE  IDENTIFIERS    SERIAL  EXPIRES           SERVED BY  BEHIND',
      'a.test       a.test,b.test  0A      2027-02-20 11:00  1 of 3     lb2: failed (ERR_RUNTIME_REFUSED); lb3: pending',
      'silent since 2026-11-22 08:00: lb3',
      'left at 2026-11-22 09:00: lb4',
      'status cannot be read: h9 (ERR_STATUS_VERSION)',
      '',
      'fleet inner',
      'CERTIFICATE  IDENTIFIERS  SERIAL  EXPIRES  SERVED BY  BEHIND',
      '',
    ].join('\n'),
  );
});

test('conditions, unlisted files and removals of hosts, what is not configured and what was ended', () => {
  const report: FleetReport = {
    ...{
      ...empty,
      fleet: 'old',
      certificates: [{ ...certificate, isConfigured: false, served: [], behind: [] }],
    },
    hosts: [
      {
        host: 'lb1',
        conditions: [{ condition: 'stale-manifest', since, message: 'its sequence\nis lower' }],
        unlisted: [
          { file: 'x.pem', certificate: 'x', notAfter: '2027-01-01T00:00:00.000Z' },
          { file: 'y.pem', certificate: 'y' },
        ],
        removals: [
          {
            ...{ file: 'z.pem', certificate: named('z'), state: 'needs-reload', since },
            error: { code: 'ERR_RUNTIME_REFUSED', message: 'in use' },
          },
        ],
      },
    ],
    ended: [
      { certificate: 'w', reason: 'superseded', at: since, notAfter: since, by: ['a.test'] },
      { certificate: 'v', reason: 'withdrawn', at: since, notAfter: since },
    ],
  };

  assert.deepEqual(reportTable([report]).split('\n').slice(3, -1), [
    'lb1: stale-manifest since 2026-11-22 08:00: its sequence is lower',
    'lb1: x.pem: served, nothing names it, expires 2027-01-01 00:00',
    'lb1: y.pem: served, nothing names it, its end is unknown',
    'lb1: z.pem: to be removed, needs-reload since 2026-11-22 08:00 (ERR_RUNTIME_REFUSED in use)',
    'published, not configured, expires 2027-02-20 11:00: a.test; pemfleet withdraw a.test --fleet old ends it',
    'superseded by a.test at 2026-11-22 08:00: w',
    'withdrawn at 2026-11-22 08:00: v',
  ]);
});

test('a host with hundreds of unlisted files gets the first twenty lines', () => {
  const unlisted = Array.from({ length: 300 }, (_, index) => ({
    file: `${index}.pem`,
    certificate: `${index}`,
  }));
  const host = { host: 'lb1', conditions: [], unlisted, removals: [] };

  const lines = reportTable([{ ...empty, fleet: 'edge', hosts: [host] }]).split('\n');

  assert.equal(lines.length, 2 + 20 + 1 + 1);
  assert.equal(lines.at(-2), '… and 280 more');
});
