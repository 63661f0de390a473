/** What people should know of an import that is done. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { FleetName } from '#contract/layout.ts';
import type { CertificateSpec, Config } from '../../config/config.ts';
import { coversName } from '../../config/identifier.ts';
import { endOf } from '../../import/judge.ts';
import type { PresentPlan } from '../../import/publish.ts';
import { linesFor } from '../../import/target.ts';
import { IMPORT_ENDING_WITHIN_MS } from '../../order/lifetime.ts';

interface Imported {
  config: Pick<Config, 'certificates'>;
  plan: PresentPlan;
  spec: CertificateSpec | undefined;
  /** Fleets to which anything is published. */
  known: readonly FleetName[];
  /** Why browsers do not trust it. */
  untrusted: string | undefined;
  now: Date;
}

export function notesOf({ config, plan, spec, known, untrusted, now }: Imported): string[] {
  const { name, entry, fleets } = plan;
  const days = Math.floor((Date.parse(endOf(entry)) - now.getTime()) / DAY_MS);
  const isEnding = days * DAY_MS < IMPORT_ENDING_WITHIN_MS;
  const strange = fleets.map(({ fleet }) => fleet).filter((fleet) => !known.includes(fleet));
  const where = fleets.map(({ fleet }) => fleet);
  return [
    ...(isEnding ? [`it ends in ${days} days: nobody renews it, import the next one in time`] : []),
    ...(untrusted === undefined ? [] : [`browsers do not trust it (${untrusted}): right for an internal CA`]),
    ...(strange.length === 0
      ? []
      : [`nothing was published to ${strange.join(', ')} before: is the name right?`]),
    ...(spec === undefined
      ? [`pemfleet.yaml does not name it; these lines do:\n${linesFor(name, entry.identifiers, where)}`]
      : []),
    ...(spec === undefined || spec.imported
      ? []
      : [
          `a CA is configured for it, and its renewal is ordered there in time; imported: true keeps that from it`,
        ]),
    ...sharedNotes(config, plan, where),
  ];
}

function sharedNotes(
  { certificates }: Imported['config'],
  { name, entry }: PresentPlan,
  where: readonly FleetName[],
): string[] {
  return certificates
    .filter((other) => other.name !== name && other.fleets.some((fleet) => where.includes(fleet)))
    .flatMap((other) => {
      const shared = other.identifiers.filter((one) =>
        entry.identifiers.some((held) => coversName(held, one) || coversName(one, held)),
      );
      if (shared.length === 0) return [];
      return [
        `${other.name} has ${shared.slice(0, 3).join(', ')}, too: hosts serve the one that is valid, and of two such the one that was issued later`,
      ];
    });
}
