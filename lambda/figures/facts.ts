/** The facts that the figures follow from, beside what hosts report: the configuration, the manifests, the order records. */
import { codeOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type CertificateSpec, type Config, configuredFleets, namesOfFleet } from '../config/config.ts';
import { nextAttempt } from '../order/back-off.ts';
import { type OrderRecord, readOrderRecords } from '../order/record.ts';
import type { PassResult } from '../outcome.ts';
import { hasNames } from '../publication/entry.ts';
import { readManifest } from '../publication/read-manifest.ts';
import { openSigningKey } from '../signing/signing-key.ts';
import type { Failing, ProblemFacts } from './problems.ts';

type Manifests = PassResult['manifests'];

/** What is known of order records at the end of a pass. */
export interface RecordFacts {
  /** Certificates whose last attempt failed, also in an earlier pass. */
  failing: Failing[];
  /** Since when each certificate is being ordered. */
  orderedSince: ReadonlyMap<string, Date>;
}

/**
 * Only what is configured counts. A record that cannot be read is a failure of its certificate, and so is each outcome that failed.
 * @throws BucketError where the records cannot be listed
 */
export async function readRecordFacts(
  bucket: Bucket,
  { certificates }: Pick<Config, 'certificates'>,
  now: Date,
): Promise<RecordFacts> {
  const { records, unreadable, error } = await readOrderRecords(bucket);
  if (error !== undefined) throw error;
  const names = new Set<string>(certificates.map(({ name }) => name));
  const failed = [...records.values()].flatMap(({ name, record }) => failingOf(name, record, now));
  const broken = [...unreadable].map(([certificate, reason]) => {
    return { certificate, code: codeOf(reason), since: now };
  });
  return {
    failing: [...failed, ...broken].filter(({ certificate }) => names.has(certificate)),
    orderedSince: new Map([...records.values()].map(({ name, record }) => [name, record.createdAt])),
  };
}

function failingOf(certificate: string, record: OrderRecord, now: Date): Failing[] {
  const { createdAt: since, lastFailure, failures, failuresElsewhere = 0 } = record;
  if (lastFailure === undefined) return [];
  const { code, message } = lastFailure;
  const attempts = Math.max(1, failures + failuresElsewhere);
  return [{ certificate, code, since, message, attempts, nextAttempt: nextAttempt(record, undefined, now) }];
}

/** Of a pass that could not begin, the manifests are read here: what was true before it is true still. */
export async function completeManifests(
  bucket: Bucket,
  config: Pick<Config, 'certificates'>,
  result: PassResult,
): Promise<Pick<PassResult, 'manifests' | 'keys'>> {
  const { manifests, keys } = result;
  if (keys !== undefined || manifests.size > 0) return { manifests, ...(keys && { keys }) };
  const fleets = configuredFleets(config);
  const own = await openSigningKey(bucket, { fleets, dryRun: true });
  const read = await Promise.allSettled(
    fleets.map(async (fleet) => [fleet, await readManifest(bucket, fleet, own)] as const),
  );
  return {
    manifests: new Map(read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))),
    keys: own,
  };
}

/** What is published, what is published and not configured, and what is configured and not published. */
export function publishedFacts(
  { certificates }: Pick<Config, 'certificates'>,
  manifests: Manifests,
  { orderedSince }: Pick<RecordFacts, 'orderedSince'>,
): Pick<ProblemFacts, 'published' | 'unconfigured' | 'missing'> {
  const entries = [...manifests].flatMap(([fleet, read]) => {
    const configured: ReadonlySet<string> = namesOfFleet(certificates, fleet);
    return Object.entries(read?.manifest.certificates ?? {}).map(([certificate, entry]) => {
      return { fleet, certificate, entry, isConfigured: configured.has(certificate) };
    });
  });
  const imported = new Set<string>(certificates.filter((spec) => spec.imported).map(({ name }) => name));
  const [named, others] = [
    entries.filter(({ isConfigured }) => isConfigured),
    entries.filter(({ isConfigured }) => !isConfigured),
  ];
  return {
    published: named.flatMap(({ fleet, certificate, entry }) =>
      entry.pems.map(({ notBefore, notAfter }) => {
        const validity = { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
        return { fleet, certificate, ...validity, isImported: imported.has(certificate) };
      }),
    ),
    unconfigured: others.map(({ fleet, certificate, entry }) => {
      const isImported = acmeOriginOf(entry) === undefined;
      return { fleet, certificate, result: 'kept', notAfter: firstEndOf(entry), isImported };
    }),
    missing: certificates.flatMap((spec) =>
      missingFleets(spec, manifests).map((fleet) => {
        return { fleet, certificate: spec.name, since: orderedSince.get(spec.name) };
      }),
    ),
  };
}

function firstEndOf({ pems }: ManifestEntry): string {
  return pems.map(({ notAfter }) => notAfter).sort()[0] ?? '';
}

/** A fleet whose manifest cannot be read is not among them: what it lacks is unknown. */
/** Nor one that is imported without all of its names. */
function missingFleets(spec: CertificateSpec, manifests: Manifests): FleetName[] {
  return spec.fleets.filter((fleet) => {
    const entry = manifests.get(fleet)?.manifest.certificates[spec.name];
    const isWhole = entry !== undefined && (!spec.imported || hasNames(entry, spec.identifiers));
    return manifests.has(fleet) && !isWhole;
  });
}
