/** What speaks against an import that breaks no rule of PEM: it would take something away that is better. */
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { coversName } from '../config/identifier.ts';
import type { Holds } from '../hold/in-force.ts';
import { judgePresent, type PresentTrustSource } from '../trusted/present.ts';
import type { PresentPlan } from './publish.ts';
import { ImportRefused } from './refused.ts';

/** @returns the RFC 3339 time at which the first of its PEMs ends */
export function endOf({ pems }: Pick<ManifestEntry, 'pems'>): string {
  return pems.map(({ notAfter }) => notAfter).sort()[0] ?? '';
}

/** @throws ImportRefused where an operator holds the fleet, or the certificate */
export function refuseHeldImport({ name, fleets }: PresentPlan, holds: Holds): void {
  for (const { fleet, isPublished } of fleets) {
    const hold = holds.ofFleet(fleet) ?? holds.ofCertificate(name);
    if (hold === undefined || isPublished) continue;
    const [what, words] = holds.ofFleet(fleet) ? [`fleet ${fleet}`, `--fleet ${fleet}`] : [name, name];
    throw new ImportRefused(
      `${what} is held (${hold.reason}): pemfleet resume ${words} ends that, import --force publishes all the same`,
    );
  }
}

/** @throws ImportRefused where a fleet has a newer one, or one with more names */
export function refuseWorse({ name, entry, fleets }: PresentPlan): void {
  for (const { fleet, current, isPublished } of fleets) {
    if (current === undefined || isPublished) continue;
    refuseOlder({ name, fleet, entry, current });
    const lost = current.identifiers.filter(
      (held) => !entry.identifiers.some((one) => coversName(one, held)),
    );
    if (lost.length === 0) continue;
    throw new ImportRefused(
      `${name}: fleet ${fleet} serves ${lost.slice(0, 5).join(', ')} by it, and the new one does not have ${lost.length === 1 ? 'this name' : 'these names'}: another name, or import --force`,
    );
  }
}

function refuseOlder({
  name,
  fleet,
  entry,
  current,
}: {
  name: string;
  fleet: FleetName;
  entry: ManifestEntry;
  current: ManifestEntry;
}): void {
  const [old, mine] = [endOf(current), endOf(entry)];
  if (mine >= old) return;
  throw new ImportRefused(
    `${name}: fleet ${fleet} has ${current.pems[0]?.serial}, which ends at ${old}; this one ends earlier, at ${mine}: import --force publishes it all the same`,
  );
}

/**
 * @param replaceTrusted browsers trust what is in force, and need not trust this one
 * @returns why browsers do not trust it; undefined: they do
 * @throws UntrustedIssuer where it would take the place of one that they trust
 */
export async function judgeTrust(
  source: PresentTrustSource,
  plan: PresentPlan,
  replaceTrusted: boolean,
): Promise<string | undefined> {
  const { problem, refusal } = (await judgePresent(source, plan)) ?? {};
  if (refusal !== undefined && !replaceTrusted) throw refusal;
  return problem;
}
