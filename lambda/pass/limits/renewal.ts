/** What a CA may not count of an order, and what makes it so urgent that nothing of ours holds it back. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import type { CertificateSpec } from '../../config/config.ts';
import { exactSet } from '../../config/identifier.ts';
import { isEmergency } from '../../order/lifetime.ts';
import { FAILURES_WITH_REPLACES, type StoredRecord } from '../../order/record.ts';
import type { RenewalWindow } from '../renewal-windows.ts';

export interface Renewable {
  spec: CertificateSpec;
  published: ManifestEntry | undefined;
  stored: StoredRecord | undefined;
}

/** Let's Encrypt: 120 days; a pass may place its orders a little later. */
const SAME_NAMES_MS = 119 * DAY_MS;

/** That an order at this CA renews a certificate which the same CA has issued. */
export function renewalAt(
  directoryUrl: string,
  { spec, published, stored }: Renewable,
  { windows, now }: { windows: ReadonlyMap<string, RenewalWindow>; now: Date },
): BudgetRequest['renewal'] {
  if (published === undefined || published.issued.directoryUrl !== directoryUrl) return undefined;
  const isInside = published.pems.every(({ certId = '' }) => {
    const window = windows.get(certId);
    return window !== undefined && now >= window.start && now < window.end;
  });
  if (isInside && (stored?.record.failures ?? 0) < FAILURES_WITH_REPLACES) return 'in-window';
  const isRecent = published.pems.every((pem) => now.getTime() - Date.parse(pem.notBefore) < SAME_NAMES_MS);
  const isSame = exactSet(published.identifiers) === exactSet(spec.identifiers);
  return isSame && isRecent ? 'same-names' : undefined;
}

/** Of a certificate that is published. */
export type Emergency = 'revoked' | 'lost' | 'replacement' | 'almost-over';

/** What makes one, whatever the reason of the decision says of an order in flight or of another CA. */
export interface EmergencyFacts {
  published: ManifestEntry | undefined;
  isRevoked?: boolean | undefined;
  isLost?: boolean | undefined;
  replaceSince?: Date | undefined;
}

/** Hosts should not have what is published any more, or not for long; the most severe. */
export function emergencyOf(facts: EmergencyFacts, now: Date): Emergency | undefined {
  if (facts.isRevoked) return 'revoked';
  if (isAlmostOver(facts, now)) return 'almost-over';
  if (facts.isLost) return 'lost';
  return facts.replaceSince === undefined ? undefined : 'replacement';
}

/** Less than a twentieth of its life is left. */
export function isAlmostOver({ published }: Pick<EmergencyFacts, 'published'>, now: Date): boolean {
  return published?.pems.some((pem) => isEmergency(pem, now)) ?? false;
}
