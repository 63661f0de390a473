/**
 * Hosts of a fleet that no certificate names any more, and that report in another fleet since: they have moved there. What they left behind
 * is neither silent nor behind. In a configured fleet this is not asked: two hosts of two fleets may have the same name. Pure.
 */
export interface Report {
  reportedAt: Date;
}

/** By fleet and host. */
type Reports<T extends Report> = Readonly<Record<string, Readonly<Record<string, T>>>>;

/** @param configured fleets that a certificate names. @returns the same without hosts that have moved */
export function withoutMovedHosts<T extends Report>(
  reports: Reports<T>,
  configured: readonly string[],
): Record<string, Record<string, T>> {
  const last = new Map<string, { fleet: string; at: number }>();
  for (const [fleet, hosts] of Object.entries(reports)) {
    for (const [host, { reportedAt }] of Object.entries(hosts)) {
      const at = reportedAt.getTime();
      if (at > (last.get(host)?.at ?? Number.NEGATIVE_INFINITY)) last.set(host, { fleet, at });
    }
  }
  return Object.fromEntries(
    Object.entries(reports).map(([fleet, hosts]) => {
      const stayed = ([host]: [string, T]) => configured.includes(fleet) || last.get(host)?.fleet === fleet;
      return [fleet, Object.fromEntries(Object.entries(hosts).filter(stayed))];
    }),
  );
}
