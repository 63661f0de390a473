/** What is to be probed: each name of each certificate that is published, and what clients ought to get for it. Pure. */
import { isIP } from 'node:net';
import { MINUTE_MS } from '#common/time.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Manifest, PemRef } from '#contract/manifest.ts';

export interface ProbeTarget {
  certificate: CertificateName;
  fleet: FleetName;
  /** DNS name, wildcard or IP address, as the certificate has it. */
  name: string;
  /** What clients ought to get: one, or an RSA and an elliptic one. */
  wanted: readonly PemRef[];
  /** Published a moment ago: hosts may serve the ones before. */
  isFresh: boolean;
  /** Upper-case hexadecimal serials of the publication before this one. */
  former: ReadonlySet<string>;
}

/** Hosts have polled and reported by then. */
const FRESH_MS = 30 * MINUTE_MS;
/** A label that no DNS record of its own has: a wildcard record answers for it. */
const WILDCARD_LABEL = 'pemfleet-probe';

/** Which of what is published is probed. */
export interface TargetChoice {
  /** Certificates; undefined: all. */
  only: ReadonlySet<string> | undefined;
  /** Names that are not asked for. */
  except: readonly string[];
}

export function targetsOf(
  { fleet, certificates }: Manifest,
  { only, except }: TargetChoice,
  now: Date,
): ProbeTarget[] {
  const names = Object.keys(certificates) as CertificateName[];
  return names.flatMap((certificate) => {
    const entry = certificates[certificate];
    if (entry === undefined || only?.has(certificate) === false) return [];
    const { identifiers, pems: wanted, publishedAt, previous } = entry;
    const isFresh = now.getTime() - Date.parse(publishedAt) < FRESH_MS;
    const former = new Set(previous?.pems.map(({ serial }) => serial));
    return identifiers
      .filter((name) => !except.includes(name))
      .map((name) => ({ certificate, fleet, name, wanted, isFresh, former }));
  });
}

/** The name to resolve and to ask for (SNI); undefined for an IP address, which RFC 6066 §3 leaves out. */
export function servernameOf(name: string): string | undefined {
  return isIP(name) === 0 ? name.replace(/^\*\./, `${WILDCARD_LABEL}.`) : undefined;
}
