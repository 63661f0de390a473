/** What published certificates ask of the schedule. */
import type { CertificateLife } from '../../config/schedule.ts';
import { livesOf, suggestedWindowMs } from '../../pass/plan.ts';
import type { RenewalWindow } from '../../pass/renewal-windows.ts';
import type { PublishedCertificate } from '../../replacement/published.ts';

/** @param windows by certID, as the last pass has left them */
export function publishedLives(
  certificates: readonly PublishedCertificate[],
  windows: ReadonlyMap<string, RenewalWindow>,
  now: Date,
): CertificateLife[] {
  return certificates.flatMap(({ spec, published }) =>
    livesOf(spec.name, published, suggestedWindowMs(published, { windows, now })),
  );
}
