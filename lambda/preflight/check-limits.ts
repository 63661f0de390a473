/** What the limits of each CA leave for each certificate, as the budget counts them (docs/limits.md). Pure over the CAs' state. */

import { Buckets } from '../ca/buckets.ts';
import { demandsOf } from '../ca/demands.ts';
import { heldBackBy } from '../ca/held-back.ts';
import { limitsOf } from '../ca/limits.ts';
import type { CaState } from '../ca/state.ts';
import { roomAt, tokensIn } from '../ca/token-bucket.ts';
import { configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import type { PreflightFinding } from './finding.ts';

/** One finding for each limit that something was taken from, and for the new orders of each account. */
export function checkLimits(
  state: CaState,
  config: Config,
  certificates: readonly CertificateSpec[],
  now: Date,
): PreflightFinding[] {
  const buckets = new Buckets(state);
  const findings = new Map<string, PreflightFinding>();
  for (const { directoryUrl } of configuredCas(config)) {
    const { limits } = limitsOf(config, directoryUrl);
    for (const { identifiers, keyTypes } of certificates) {
      for (const demand of demandsOf({ directoryUrl, identifiers, count: keyTypes.length })) {
        const limit = limits[demand.kind];
        const fullAt = limit && buckets.fullAt(directoryUrl, demand, limit);
        if (limit === undefined || (fullAt === undefined && demand.kind !== 'newOrders')) continue;
        const left = tokensIn(limit, fullAt, now);
        const { text } = heldBackBy(directoryUrl, demand, limit, roomAt(limit, fullAt, 1, now));
        findings.set(`${directoryUrl} ${demand.kind} ${demand.subject}`, {
          ...{ check: 'limits', subject: directoryUrl, wanted: `room within ${text}` },
          // A fault only where something has to be ordered: the plan knows.
          result: left > 0 ? 'ok' : 'unknown',
          saw: `${left} of ${limit.count} left`,
          ...(left === 0 && {
            advice: 'nothing: a later pass orders by itself; renewals that the CA exempts go on',
          }),
        });
      }
    }
  }
  return [...findings.values()];
}
