/** Under which name, and into which fleets, a certificate is imported; pure. */
import { type CertificateName, certificateName, type FleetName } from '#contract/layout.ts';
import type { CertificateSpec } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';
import { ImportRefused } from './refused.ts';

export interface ImportTarget {
  name: CertificateName;
  fleets: readonly FleetName[];
  /** Undefined: it is not configured. */
  spec: CertificateSpec | undefined;
}

interface Given {
  name?: CertificateName | undefined;
  fleets?: readonly FleetName[] | undefined;
}

/**
 * @param names of the leaf
 * @throws ImportRefused
 */
export function targetOf(
  specs: readonly CertificateSpec[],
  names: readonly string[],
  given: Given,
): ImportTarget {
  const name = given.name ?? nameFor(specs, names);
  const spec = specs.find((one) => one.name === name);
  if (spec === undefined) {
    if (given.fleets !== undefined) return { name, fleets: given.fleets, spec };
    throw new ImportRefused(
      `${name} is not configured: say where it belongs with --fleet FLEET, or name it in pemfleet.yaml first:\n${linesFor(name, names)}`,
    );
  }
  const others = (given.fleets ?? spec.fleets).filter((fleet) => !spec.fleets.includes(fleet));
  if (others.length > 0) {
    throw new ImportRefused(
      `${name} is configured for ${spec.fleets.join(', ')}, not for ${others.join(', ')}: leave --fleet out, or change pemfleet.yaml`,
    );
  }
  const left = spec.fleets.filter((fleet) => given.fleets?.includes(fleet) === false);
  if (left.length > 0) {
    throw new ImportRefused(
      `${name} is configured for ${left.join(', ')}, too, and the next pass takes it there: leave --fleet out`,
    );
  }
  const missing = spec.identifiers.filter((wanted) => !names.some((held) => coversName(held, wanted)));
  if (missing.length === 0) return { name, fleets: spec.fleets, spec };
  throw new ImportRefused(
    `${name} is configured for ${missing.slice(0, 5).join(', ')}, which this certificate does not have (${shown(names)}): another --name, or change pemfleet.yaml`,
  );
}

/** The one that waits for such a certificate; else as the configuration would call it. */
function nameFor(specs: readonly CertificateSpec[], names: readonly string[]): CertificateName {
  const isWanted = ({ imported, identifiers }: CertificateSpec) =>
    imported === true && identifiers.every((wanted) => names.some((held) => coversName(held, wanted)));
  const [first, ...others] = specs.filter(isWanted);
  if (others.length > 0) {
    const all = [first, ...others].map((one) => one?.name).join(', ');
    throw new ImportRefused(`these certificates have such names: ${all}; --name NAME says which is meant`);
  }
  const parsed = certificateName.safeParse(first?.name ?? names[0]?.replace(/^\*/, '_').replaceAll(':', '-'));
  if (parsed.success) return parsed.data;
  throw new ImportRefused(`${names[0]} gives no file name: --name NAME does`);
}

/** What pemfleet.yaml lacks, so that its end and its hosts are watched as those of every other. */
export function linesFor(
  name: CertificateName,
  names: readonly string[],
  fleets: readonly string[] = [],
): string {
  const list = names.map((one) => (one.startsWith('*') ? `'${one}'` : one)).join(', ');
  const where = fleets.length === 0 ? '' : `\n    fleets: [${fleets.join(', ')}]`;
  return `  - name: ${name}\n    imported: true\n    identifiers: [${list}]${where}`;
}

const shown = (names: readonly string[]) =>
  names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
