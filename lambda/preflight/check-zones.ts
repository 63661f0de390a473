/** DNS-01 without a CA: where the record of each name belongs, and whether we may write it there, by a change that changes nothing. */

import type { Solvers } from '../challenge/solver.ts';
import type { CertificateSpec } from '../config/config.ts';
import { withoutWildcard } from '../config/identifier.ts';
import type { PreflightFinding } from './finding.ts';

export async function checkZones(
  certificates: readonly CertificateSpec[],
  solvers: Solvers,
): Promise<PreflightFinding[]> {
  const identifiers = certificates.flatMap((spec) =>
    spec.challenge.includes('dns-01') ? spec.identifiers.map(withoutWildcard) : [],
  );
  if (identifiers.length === 0) return [];
  const solver = await solvers.of('dns-01');
  const rights = (await solver.checkRights?.([...new Set(identifiers)])) ?? [];
  return rights.map(({ identifier, location, problem }): PreflightFinding => {
    const wanted = `the right to write TXT at ${location ?? `_acme-challenge.${identifier}`}`;
    const finding = { check: 'zone' as const, subject: identifier, wanted };
    if (problem === undefined) return { ...finding, result: 'ok', saw: 'the zone takes our changes' };
    const advice = 'see docs/dns-01.md: zones, CNAMEs and permissions';
    return { ...finding, result: 'failed', saw: problem, advice };
  });
}
