/** What a pass is about to do with each certificate, and the shape in which it tells what became of it. */
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { CertificateSpec, Config } from './config.ts';
import { type Decision, decide } from './due.ts';
import { newestEntry } from './entry.ts';
import type { StoredRecord } from './order-record.ts';
import type { ReadManifest } from './publish.ts';

export interface PassOptions {
  /** Decide and tell, change nothing. */
  dryRun?: boolean;
  /** Renew what is not due. */
  force?: boolean;
  /** Only these certificates. */
  only?: readonly CertificateName[];
}

export interface Outcome {
  certificate: CertificateName;
  result: 'issued' | 'planned' | 'kept' | 'deferred' | 'postponed' | 'failed';
  reason: string;
  identifiers: readonly string[];
  until?: string;
  serial?: string;
  notAfter?: string;
  error?: { code: string; message: string };
}

export interface Plan {
  spec: CertificateSpec;
  decision: Decision;
  published: ManifestEntry | undefined;
  stored: StoredRecord | undefined;
}

export function makePlan(
  spec: CertificateSpec,
  manifests: ReadonlyMap<FleetName, ReadManifest | undefined>,
  stored: StoredRecord | undefined,
  config: Config,
  options: PassOptions,
  now: Date,
): Plan {
  const published = newestEntry(spec, manifests);
  const input = {
    spec,
    directoryUrl: config.acme.directoryUrl,
    published,
    record: stored?.record,
    forced: options.force ?? false,
    now,
  };
  return { spec, decision: decide(input), published, stored };
}

export function planned({ spec, decision, published }: Plan): Outcome {
  const result = decision.action === 'keep' ? 'kept' : decision.action === 'defer' ? 'deferred' : 'planned';
  return { ...told(spec, decision), result, ...describe(published) };
}

/** Two orders for the same names must not be open at once: Let's Encrypt would hand out one order for both. */
export function sameIdentifiers({ spec }: Plan): string {
  return [...spec.identifiers].sort().join();
}

export function told(spec: CertificateSpec, decision: Decision): Outcome {
  const until = 'until' in decision ? { until: decision.until.toISOString() } : {};
  return {
    certificate: spec.name,
    result: 'kept',
    reason: decision.reason,
    identifiers: spec.identifiers,
    ...until,
  };
}

export function describe(entry: ManifestEntry | undefined): Pick<Outcome, 'serial' | 'notAfter'> {
  const [pem] = entry?.pems ?? [];
  return pem === undefined ? {} : { serial: pem.serial, notAfter: pem.notAfter };
}
