/** Carries out `pemfleet withdraw`: finds what is published under the names, in all fleets, and ends it by tombstones. */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type Tombstone } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { readHighestSequence, readStatuses } from '../fleet/read-reports.ts';
import type { FleetStatuses } from '../fleet/report.ts';
import type { Log } from '../log.ts';
import { IssuerMemory } from '../publication/ended.ts';
import { publishedFleets } from '../publication/fleets.ts';
import { publishedPems } from '../publication/published-pems.ts';
import { Publisher, type WithdrawOptions } from '../publication/publisher.ts';
import { type ReadManifest, readManifest } from '../publication/read-manifest.ts';
import { endedDigests, heldRemovals, unitePems, uniteTombstones } from '../publication/tombstones.ts';
import { isConfiguredIn, type PublishedName, unlistedPems } from '../publication/withdrawal.ts';
import type { Signing } from '../signing/signing-key.ts';
import { publisherOptions } from '../upgrade/along.ts';

const CONCURRENCY = 10;

export interface WithdrawalSource {
  bucket: Bucket;
  config: Config;
  signing: Signing;
  log: Log;
  now: () => Date;
  audit?: AuditTrail | undefined;
}

/** A fleet as it stands before anything is withdrawn. */
export interface PublishedFleet {
  fleet: FleetName;
  manifest: Manifest;
  /** Tombstones that the issuer remembers. */
  ended: Readonly<Record<string, Tombstone>>;
}

/** Fleets, and why some of them cannot be read. */
interface OpenedFleets {
  fleets: PublishedFleet[];
  broken: [FleetName, ContractError | BucketError][];
}

/**
 * Configured fleets, and those that something was ever published to, lost or not.
 * @throws BucketError, ContractError where `only` is the fleet that cannot be read
 */
export async function openFleets(
  { bucket, config, signing, now }: WithdrawalSource,
  only: FleetName | undefined,
): Promise<OpenedFleets> {
  const memory = new IssuerMemory(bucket);
  const configured = configuredFleets(config);
  const all = new Set([...configured, ...(await publishedFleets(bucket)), ...(await memory.fleets())]);
  // One that the operator names may be known by its hosts' reports only.
  if (only !== undefined && (await bucket.list(layout.statuses(only))).length > 0) all.add(only);
  const wanted = [...all].filter((fleet) => only === undefined || fleet === only);
  const opened: OpenedFleets = { fleets: [], broken: [] };
  for (const fleet of wanted) {
    try {
      const read = await readManifest(bucket, fleet, signing, memory);
      const manifest = read?.manifest ?? emptyManifest(fleet, now());
      const { tombstones } = await memory.of(fleet);
      const ended = uniteTombstones(tombstones, manifest.tombstones ?? {});
      opened.fleets.push({ fleet, manifest, ended });
    } catch (error) {
      const isOfFleet = error instanceof ContractError || error instanceof BucketError;
      if (!isOfFleet || only !== undefined) throw error;
      opened.broken.push([fleet, error]);
    }
  }
  return opened;
}

/** All that is known of the names: by manifests, by PEMs that lie in the bucket, and by receipts of files that only hosts still have. */
export async function findPublished(
  source: WithdrawalSource,
  fleets: readonly PublishedFleet[],
  names: readonly CertificateName[],
): Promise<PublishedName[]> {
  const statuses = new Map<FleetName, Promise<FleetStatuses>>();
  const statusesOf = (fleet: FleetName) => {
    const read = statuses.get(fleet) ?? readStatuses(source.bucket, fleet);
    statuses.set(fleet, read);
    return read;
  };
  const pairs = fleets.flatMap((published) => names.map((name) => ({ ...published, name })));
  return inParallel(
    pairs,
    CONCURRENCY,
    async ({ fleet, manifest, ended, name }) => {
      const entry = manifest.certificates[name];
      const stored = await publishedPems(source.bucket, fleet, { name, entry }, source.now());
      const onHosts = unlistedPems((await statusesOf(fleet)).statuses, name, source.signing);
      const isConfigured = isConfiguredIn(source.config, fleet, name);
      // PEMs that a tombstone has ended lie in the bucket until they are swept, and on hosts that sleep.
      const over = endedDigests(ended);
      const pems = unitePems(stored, onHosts).filter(
        ({ sha256, notAfter }) => !over.has(sha256) && new Date(notAfter) > source.now(),
      );
      const tombstone = ended[name];
      const endedPems = tombstone?.stolenAt
        ? []
        : tombstone?.pems.filter(({ notAfter }) => new Date(notAfter) > source.now());
      return { fleet, name, entry, pems, isConfigured, endedAt: tombstone?.at, endedPems };
    },
    ({ fleet, name }) => `${fleet}/${name}`,
  );
}

/** What is done, or would be, in one fleet. */
export interface FleetWithdrawal {
  fleet: FleetName;
  withdrawn: CertificateName[];
  /** More than a third of the fleet at once: they wait for `yes`. */
  held: CertificateName[];
}

/** The names that would be held back. */
export function heldIn(
  { manifest }: PublishedFleet,
  going: readonly PublishedName[],
  yes: boolean,
): CertificateName[] {
  const listed = going.filter(({ entry }) => entry !== undefined);
  const removals = listed.map(({ name }) => ({ name, reason: 'withdrawn', yes }));
  return [...heldRemovals(removals, Object.keys(manifest.certificates).length)];
}

/** All names of a fleet share one commit. @throws BucketError, ContractError */
export async function endNames(
  { bucket, signing, log, now, audit }: WithdrawalSource,
  { fleet }: PublishedFleet,
  going: readonly PublishedName[],
  { yes, isStolen }: Pick<WithdrawOptions, 'yes' | 'isStolen'>,
): Promise<FleetWithdrawal & { latest: ReadManifest | undefined }> {
  const highest = await readHighestSequence(bucket, fleet, { keys: signing, now: now() });
  const publisher = new Publisher(bucket, fleet, {
    ...publisherOptions(bucket, signing, now, log),
    floorOf: async () => highest,
    audit,
  });
  const known = new Map(going.map(({ name, pems }) => [name, pems]));
  const names = going.map(({ name }) => name);
  const { withdrawn, held } = await publisher.withdraw(names, { reason: 'withdrawn', yes, isStolen, known });
  for (const certificate of withdrawn) log('certificate.withdrawn', { certificate, fleet });
  return { fleet, withdrawn, held, latest: publisher.latest };
}
