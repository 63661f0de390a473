// Field F10: what matters stands first, and 100 names stay within the terminal's width.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { linesText, reportTable } from '../../../../lambda/commands/report-table.ts';
import type { FleetReport } from '../../../../lambda/fleet/report.ts';
import { fleetLines } from '../../../../lambda/status/fleet-lines.ts';
import { after, noon } from '../../../support/clock.ts';
import { named } from '../../../support/issuer/documents.ts';

const at = (ms: number) => after(noon, ms).toISOString();
const empty: FleetReport = {
  ...{
    fleet: 'edge',
    certificates: [],
    missing: [],
    present: 3,
    silent: [],
    left: [],
    unreadable: [],
    hosts: [],
  },
  ended: [],
};
const hundred = Array.from({ length: 100 }, (_, index) => `name-${index}.shop.example.com`);
const certificate = {
  ...{
    certificate: 'a.test',
    isConfigured: true,
    identifiers: ['a.test'],
    serial: '0A',
    publishedAt: at(-DAY_MS),
  },
  ...{ notBefore: at(-DAY_MS), notAfter: at(59.5 * DAY_MS), served: ['lb1', 'lb2', 'lb3'], behind: [] },
};
const quiet = {
  reportedAt: at(0),
  conditions: [],
  unlisted: [],
  removals: [],
  unproven: [],
  expired: [],
  drift: [],
};
const tableOf = (report: FleetReport, width = 80) =>
  reportTable([{ report, lines: fleetLines(report, { now: noon, graceMs: 0 }) }], { now: noon, width });

test('a fleet says first what is wrong, then its certificates, the worst first, then what else is to be known', () => {
  const error = { code: 'ERR_RUNTIME_REFUSED', message: 'unable to load' };
  const report: FleetReport = {
    ...empty,
    certificates: [
      { ...certificate, certificate: 'a.test' },
      { ...certificate, certificate: 'shop.example.com', identifiers: hundred },
      {
        ...{
          ...certificate,
          certificate: 'z.test',
          identifiers: ['z.test', 'www.z.test'],
          served: ['lb1', 'lb3'],
        },
        behind: [{ host: 'lb2', state: 'failed', since: at(-3 * HOUR_MS), error }],
      },
    ],
    missing: [{ certificate: 'new.test', identifiers: ['new.test'], servedBy: [] }],
    left: [{ host: 'lb4', leftAt: at(-2 * DAY_MS) }],
    unreadable: [{ host: 'lb5', code: 'ERR_STATUS_VERSION', writtenAt: at(-HOUR_MS) }],
    hosts: [{ ...quiet, host: 'lb3', error: { code: 'ERR_CERTS_DIRECTORY', message: 'read-only' } }],
    ended: [
      { certificate: 'a.test', reason: 'revoked', at: at(-DAY_MS), notAfter: at(DAY_MS) },
      {
        certificate: 'old.test',
        reason: 'superseded',
        at: at(-DAY_MS),
        notAfter: at(DAY_MS),
        by: ['a.test'],
      },
    ],
  };

  assert.equal(
    tableOf(report),
    `fleet edge: 4 certificates, 3 hosts: 3 wrong, 1 unknown
wrong: lb3: ERR_CERTS_DIRECTORY read-only
wrong: new.test: configured, not published: no attempt has failed: pemfleet plan says when it is ordered, and journalctl -u pemfleet what the last pass did
wrong: z.test: not served by 1 of 3: lb2 failed for 3 h (ERR_RUNTIME_REFUSED unable to load)
unknown: lb5: its status cannot be read (ERR_STATUS_VERSION), written 1 h ago
CERTIFICATE       STATE    SERVED BY  EXPIRES     NAMES
new.test          missing  -          -           new.test
z.test            behind   2 of 3     in 59 days  2: z.test, www.z.test
a.test            served   3 of 3     in 59 days  a.test
shop.example.com  served   3 of 3     in 59 days  100: name-0.shop.example.com,…
note: old.test: superseded by a.test 24 h ago
note: lb4: left 2 days ago
`,
  );
});

test('no line of the table is longer than the terminal, whatever its names', () => {
  const long = { ...certificate, certificate: `${'x'.repeat(190)}.test`, identifiers: hundred };

  for (const width of [40, 80, 120, 200]) {
    const lines = tableOf({ ...empty, certificates: [long] }, width).split('\n');
    assert.ok(Math.max(...lines.map(({ length }) => length)) <= Math.max(width, 60), `${width}`);
    assert.match(lines[2] ?? '', /^x+… .*served .* 3 of 3 .* in 59 days/);
  }
});

test('a fleet in which all is well is one line and its table', () => {
  assert.equal(
    tableOf({ ...empty, certificates: [certificate] }),
    `fleet edge: 1 certificate, 3 hosts: all is well
CERTIFICATE  STATE   SERVED BY  EXPIRES     NAMES
a.test       served  3 of 3     in 59 days  a.test
`,
  );
});

test('what a host still has to remove is said although its name is published again', () => {
  const removal = {
    file: 'a.test.pem',
    certificate: 'a.test',
    state: 'failed' as const,
    since: at(-HOUR_MS),
  };
  const report: FleetReport = {
    ...empty,
    certificates: [{ ...certificate, certificate: named('a.test') }],
    hosts: [
      {
        ...quiet,
        host: 'lb1',
        removals: [{ ...removal, error: { code: 'ERR_RUNTIME_REFUSED', message: 'in use' } }],
      },
    ],
    ended: [{ certificate: 'a.test', reason: 'revoked', at: at(-DAY_MS), notAfter: at(DAY_MS) }],
  };

  assert.match(
    tableOf(report),
    /^wrong: lb1: a\.test\.pem: to be removed, failed for 1 h \(ERR_RUNTIME_REFUSED in use\)$/m,
  );
  assert.match(tableOf(report), /^note: a\.test: revoked 24 h ago$/m);
});

test('of one kind, the first twenty lines are enough', () => {
  const lines = Array.from({ length: 300 }, (_, index) => ({
    ...{ level: 'note' as const, code: 'unlisted' as const, text: `${index}.pem` },
  }));

  const text = linesText(lines).split('\n');

  assert.equal(text.length, 20 + 1 + 1);
  assert.equal(text.at(-2), 'note: … and 280 more (unlisted); --json has all');
});
