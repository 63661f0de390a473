/** Which certificates that are to be replaced an operator holds: passes leave them as they are until the hold ends, and so says `pemfleet plan`. */
import { minuteText } from '#common/time.ts';
import type { CertificateName } from '#contract/layout.ts';
import { heldDecision } from '../../pass/due.ts';
import { fleetHold, holdOnAll, readHoldsInPass } from '../../pass/operator/held.ts';
import type { Pass } from '../../pass.ts';
import type { PublishedCertificate, PublishedCertificates } from '../../replacement/published.ts';
import { readRevocations, revokingDigests } from '../../replacement/revocations.ts';

/** Names in one text. */
const MAX_NAMED = 5;

export interface HeldReplacement {
  certificate: CertificateName;
  /** What the operator says. */
  reason: string;
  /** RFC 3339; absent: until it is resumed. */
  until?: string | undefined;
}

/** @param left what is to be replaced still. @throws BucketError */
export async function heldAmong(
  pass: Pick<Pass, 'bucket' | 'log' | 'timing'>,
  { manifests }: Pick<PublishedCertificates, 'manifests'>,
  left: readonly PublishedCertificate[],
): Promise<HeldReplacement[]> {
  if (left.length === 0) return [];
  const now = pass.timing.now();
  const holds = await readHoldsInPass(pass);
  const revoked = revokingDigests(await readRevocations(pass.bucket));
  const fleets = { holds, manifests, revoked };
  const holdIn = (...[fleet, name]: [Parameters<typeof fleetHold>[1], CertificateName]) =>
    fleetHold(fleets, fleet, name, now);
  return left.flatMap(({ spec, published }) => {
    const hold = holdOnAll({ holds, holdIn }, spec, published);
    const decision = heldDecision({ hold, published, revoked, now });
    if (hold === undefined || decision === undefined) return [];
    const until = decision.until?.toISOString();
    return [{ certificate: spec.name, reason: hold.reason, ...(until && { until }) }];
  });
}

export function heldLine(held: readonly HeldReplacement[]): string {
  if (held.length === 0) return '';
  const named = held.slice(0, MAX_NAMED).map(({ certificate, reason, until }) => {
    return `${certificate}${until === undefined ? '' : ` until ${minuteText(until)}`} (${reason})`;
  });
  const more = held.length > MAX_NAMED ? `, and ${held.length - MAX_NAMED} more` : '';
  return `held, and not replaced until then: ${named.join(', ')}${more}; pemfleet hold shows all, pemfleet resume ends a hold\n`;
}
