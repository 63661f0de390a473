/** What operators hold (lambda/hold), in a pass: it is read once, and each stage that publishes asks here. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { CertificateSpec } from '../../config/config.ts';
import { holdText, readHolds } from '../../hold/holds.ts';
import { type Hold, Holds, isBroken } from '../../hold/in-force.ts';
import type { Pass } from '../../pass.ts';
import type { PublishedFleets } from '../../publication/publisher.ts';

/** A document that cannot be read holds all the same, and is told. */
export async function readHoldsInPass({
  bucket,
  log,
  timing,
}: Pick<Pass, 'bucket' | 'log' | 'timing'>): Promise<Holds> {
  const now = timing.now();
  try {
    const stored = await readHolds(bucket);
    for (const { subject, fault } of stored) {
      if (fault !== undefined) {
        log('hold.unreadable', { hold: holdText(subject), code: codeOf(fault), error: messageOf(fault) });
      }
    }
    return new Holds({ stored, now });
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    log('hold.unreadable', { code: error.code, error: messageOf(error) });
    return new Holds({ stored: [], error, now });
  }
}

interface HeldFleets extends Pick<PublishedFleets, 'manifests'> {
  holds: Holds;
  /** SHA-256 of PEMs that are revoked, or are to be. */
  revoked: ReadonlySet<string>;
}

/**
 * Whether a hold keeps a certificate from a fleet. A fleet that has no manifest has nothing that its hosts could keep: what is lost comes
 * back.
 */
export function fleetHold(
  { holds, manifests, revoked }: HeldFleets,
  fleet: FleetName,
  name: CertificateName,
  now: Date,
): Hold | undefined {
  const hold = holds.ofFleet(fleet);
  const manifest = manifests.get(fleet)?.manifest;
  if (hold === undefined || manifest === undefined) return undefined;
  const entry = manifest.certificates[name];
  return entry !== undefined && isBroken(entry, revoked, now) ? undefined : hold;
}

/**
 * @param published undefined: nothing is, and what is missing is no renewal
 * @returns the hold of the certificate itself; or one of its fleets, where all of them are held: an order would be of no use
 */
export function holdOnAll(
  survey: Pick<HeldFleets, 'holds'> & Pick<PublishedFleets, 'holdIn'>,
  { name, fleets }: CertificateSpec,
  published: ManifestEntry | undefined,
): Hold | undefined {
  const own = survey.holds.ofCertificate(name);
  if (own !== undefined && published !== undefined) return own;
  const all = fleets.map((fleet) => survey.holdIn?.(fleet, name));
  return all.every((hold) => hold !== undefined) ? all[0] : undefined;
}

/** Whether a hold keeps what is published in a fleet from being renewed. */
export function isHeldIn(
  { holds, manifests, revoked }: HeldFleets,
  now: Date,
): (fleet: string, name: string) => boolean {
  return (fleet, name) => {
    const entry = manifests.get(fleet as FleetName)?.manifest.certificates[name as CertificateName];
    if (entry === undefined || isBroken(entry, revoked, now)) return false;
    return (holds.ofCertificate(name as CertificateName) ?? holds.ofFleet(fleet as FleetName)) !== undefined;
  };
}
