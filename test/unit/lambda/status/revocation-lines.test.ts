/** What `pemfleet status` says of a request to revoke: whatever the next pass waits for, and the command that ends the wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { certificateName } from '#contract/layout.ts';
import type { CertificateReport, FleetReport } from '../../../../lambda/fleet/report.ts';
import { addToRevocation } from '../../../../lambda/replacement/revocations.ts';
import { pendingRevocationLines } from '../../../../lambda/status/revocation-lines.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL } from '../../../support/issuer/documents.ts';

const name = certificateName.parse('a.test');
const [OLD, FRESH] = ['AA', 'BB'];

const of = (serial: string, changes: Partial<CertificateReport> = {}): CertificateReport => ({
  ...{ certificate: name, isConfigured: true, identifiers: ['a.test'], serial },
  ...{ publishedAt: noon.toISOString(), notBefore: noon.toISOString(), notAfter: noon.toISOString() },
  ...{ served: [], behind: [], ...changes },
});
const report = (fleet: string, ...certificates: CertificateReport[]): FleetReport => ({
  ...{ fleet, certificates, missing: [], present: 1, silent: [], left: [] },
  ...{ unreadable: [], hosts: [], ended: [] },
});
const moved = { isConfigured: false };
const missing = { certificate: name, identifiers: ['a.test'], servedBy: [] };
const behind = {
  behind: [{ host: 'lb1', state: 'behind' } as unknown as CertificateReport['behind'][number]],
};
const unreadable = { error: { code: 'ERR_MANIFEST_SCHEMA', message: 'spoilt' } };

const ROWS: readonly [says: string, waits: RegExp, ...reports: FleetReport[]][] = [
  ['not replaced', /: what takes its place is not published yet$/, report('default', of(OLD))],
  ['lost', /: what takes its place is not published yet$/, { ...report('default'), missing: [missing] }],
  ['a host lags', /: waits for lb1 to serve what takes its place$/, report('default', of(FRESH, behind))],
  ['all prove', /: the next pass revokes it, once each living host/, report('default', of(FRESH))],
  ['withdrawn everywhere', /: the next pass revokes it, once each living host/, report('default')],
  [
    'moved to another fleet',
    /: waits until no host of fleet edge has it, for which it is configured no more \(pemfleet withdraw a\.test --fleet edge\)$/,
    ...[report('default', of(FRESH)), report('edge', of(OLD, moved))],
  ],
  [
    'moved, and a host lags',
    /: waits until no host of fleet edge has it, .*, and for lb1 to serve what takes its place$/,
    ...[report('default', of(FRESH, behind)), report('edge', of(OLD, moved))],
  ],
  [
    'a fleet that cannot be read',
    /: waits until the manifest of fleet edge can be read$/,
    ...[report('default', of(FRESH)), { ...report('edge'), ...unreadable }],
  ],
];

for (const [says, waits, ...reports] of ROWS) {
  test(`${says}: it says what the pass waits for`, async () => {
    const bucket = memoryBucket();
    const at = after(noon, -HOUR_MS).toISOString();
    await addToRevocation(bucket, name, [
      {
        ...{ sha256: 'a'.repeat(64), serial: OLD, directoryUrl: DIRECTORY_URL },
        ...{ at, reason: 'superseded', by: 'a test' },
      },
    ]);

    const [line, ...others] = await pendingRevocationLines(bucket, reports, noon);

    assert.deepEqual([line?.level, line?.code, others], ['note', 'revocation', []]);
    assert.match(line?.text ?? '', waits);
  });
}
