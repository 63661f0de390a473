/** What a pass finds in the bucket. A document that cannot be read blocks the certificates it concerns, and no others. */
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { type CaBudget, readCaBudget } from '../ca/budget.ts';
import { type CertificateSpec, configuredFleets } from '../config/config.ts';
import { highestReported, otherKeysOf } from '../fleet/heads.ts';
import { type HostSummaries, NO_SUMMARIES, readHostSummaries } from '../fleet/hosts.ts';
import type { Holds } from '../hold/in-force.ts';
import { readOrderRecords, type StoredRecord } from '../order/record.ts';
import type { Pass } from '../pass.ts';
import { IssuerMemory } from '../publication/ended.ts';
import { publishedFleetsOrNone } from '../publication/fleets.ts';
import { createPublishers, type PublishedFleets } from '../publication/publisher.ts';
import { type ReadManifest, readRoot } from '../publication/read-manifest.ts';
import type { Staples } from '../publication/staples.ts';
import type { Replacements } from '../replacement/covered.ts';
import { readReplacements, readRevocationsInPass } from '../replacement/in-pass.ts';
import { revokingDigests, type StoredRevocation } from '../replacement/revocations.ts';
import { TrustedCertificates } from '../trusted/in-force.ts';
import { mergeOldIssuer } from './old-issuer.ts';
import { fleetHold, readHoldsInPass } from './operator/held.ts';
import { type UnconfiguredCertificate, unconfiguredIn } from './unconfigured.ts';
import { Version1Survey } from './version-1.ts';

/** Hosts in one event. */
const MAX_NAMED = 20;

/** Why a document cannot be read. */
export type Unreadable = ContractError | BucketError;

/** Manifests and order records, as one reading found them. */
export interface BucketSurvey extends PublishedFleets {
  /** The certificates of this pass, as configured. */
  readonly specs: readonly CertificateSpec[];
  /** By certificate: the document that blocks it, its own order record or the manifest of one of its fleets. */
  readonly blocked: ReadonlyMap<string, Unreadable>;
  /** Fleets whose manifest cannot be read. */
  readonly unreadable: readonly FleetName[];
  /** What is published and not configured, in all fleets; a pass over some certificates does not ask. */
  readonly unconfigured: readonly UnconfiguredCertificate[];
  /** Fleets with a root that is not ours. */
  readonly foreign: ReadonlySet<FleetName>;
  /** What the issuer remembers of the fleets. */
  readonly memory: IssuerMemory;
  /** Fleets that had no manifest of ours when the pass began: new, or lost. */
  readonly withoutRoot?: ReadonlySet<FleetName> | undefined;
  /** What hosts had reported at the end of the last pass, by fleet; those of `withoutRoot`, what they report now. */
  readonly hosts: HostSummaries['fleets'];
  /** By certificate: when one was last ordered because hosts held it as ended. */
  readonly endedOrders?: HostSummaries['endedOrders'];
  /** `manifest.json` of each fleet. */
  readonly version1: Version1Survey;
  /** Certificates for which the last pass had no time. */
  readonly postponed: ReadonlySet<string>;
  /** By certificate: why the last pass over it failed, whether an order record says so or not. */
  readonly failed: HostSummaries['failures'];
  /** By certificate, also of those that are not configured any more: orders in flight or failing. */
  readonly records: ReadonlyMap<string, StoredRecord>;
  /** URLs of orders that belong to a certificate, so that no other adopts them. This pass adds its own. */
  readonly claimedOrders: Set<string>;
}

/** What the decisions of a pass stand on. */
export interface Survey extends BucketSurvey {
  /** SHA-256 of PEMs that their CA has revoked, as OCSP says. */
  readonly revoked: ReadonlySet<string>;
  readonly budget: CaBudget;
  /** What browsers trust of what is published, to all fleets. */
  readonly trusted: TrustedCertificates;
  /** What operators want replaced before it is due. */
  readonly replacements: Replacements;
  /** SHA-256 of PEMs that an operator wants revoked once hosts have proved what takes their place. */
  readonly revoking: ReadonlySet<string>;
  readonly revocations: readonly StoredRevocation[];
  /** What operators hold. */
  readonly holds: Holds;
}

/** @param earlier reading of this pass: its publishers remember what they have written, and what others wrote is judged */
export async function surveyBucket(pass: Pass, earlier?: BucketSurvey): Promise<BucketSurvey> {
  const survey = await readBucket(pass, earlier);
  return earlier === undefined ? mergeOldIssuer(pass, survey, () => readBucket(pass, survey)) : survey;
}

async function readBucket(pass: Pass, earlier: BucketSurvey | undefined): Promise<BucketSurvey> {
  const { bucket, config, options, signing, timing } = pass;
  const specs = selectedSpecs(pass);
  const memory = new IssuerMemory(bucket);
  const stored = await readHosts(pass);
  // Later in the pass, fleets may be asked anew: everybody sees that.
  const book = { ...stored, fleets: earlier?.hosts ?? { ...stored.fleets } };
  const hosts = book.fleets;
  const postponed = earlier?.postponed ?? new Set(stored.postponed);
  if (earlier === undefined) tellOtherKeys(pass, hosts);
  const fleets = new Set(configuredFleets({ certificates: specs }));
  const others = (await knownFleets(pass, memory)).filter((fleet) => !fleets.has(fleet));
  const all = [...fleets, ...others];
  const version1 = earlier?.version1 ?? (await Version1Survey.read(pass, all, { memory, book }));
  const { read, broken, foreign } = await readManifests(pass, all, { memory, version1 });
  for (const fleet of others) {
    // Nothing of ours was ever published there: no root is made for it.
    const isStrange = read.get(fleet) === undefined && !(await memory.hadRoot(fleet));
    if (isStrange) read.delete(fleet);
  }
  const manifests = [...read.values()].flatMap((one) => one?.manifest ?? []);
  const { records, unreadable, error: unlisted } = await readOrderRecords(bucket);
  const blocked = new Map(unreadable);
  for (const { name, fleets } of specs) {
    const [error = unlisted] = fleets.flatMap((fleet) => broken.get(fleet) ?? []);
    if (error !== undefined) blocked.set(name, error);
  }
  const publisherOptions = {
    ...{ now: timing.now, signing, memory, log: pass.log, audit: pass.audit },
    keyRetentionDays: Number.parseInt(config.keyRetention, 10),
    floorOf: async (fleet: FleetName) => highestReported(hosts[fleet]),
    first: async (fleet: FleetName) => (await version1.first(fleet))?.manifest,
    writeAlong: version1.writeAlong,
  };
  return {
    specs,
    blocked,
    unreadable: [...broken.keys()],
    records,
    claimedOrders: new Set([...records.values()].flatMap(orderUrlsOf)),
    publishers: earlier?.publishers ?? createPublishers(bucket, read.keys(), publisherOptions),
    manifests: read,
    unconfigured:
      options.only === undefined
        ? manifests.flatMap((manifest) => unconfiguredIn(config.certificates, manifest))
        : [],
    ...{ memory, hosts, postponed, foreign, version1, endedOrders: stored.endedOrders },
    failed: stored.failures,
    ...(earlier?.lostPems && { lostPems: earlier.lostPems }),
    ...(earlier?.withoutRoot && { withoutRoot: earlier.withoutRoot }),
  };
}

/** Reads again what the staples have changed, and then the state of the CAs: its document is written without a condition. */
export async function completeSurvey(
  pass: Pass,
  first: BucketSurvey,
  { revoked, isPublished }: Staples,
): Promise<Survey> {
  const { bucket, config, log, timing } = pass;
  const survey = isPublished ? await surveyBucket(pass, first) : first;
  const budget = await readCaBudget({ bucket, config, now: timing.now, log });
  const isTrustedCa = (url: string) => budget.isTrusted(url);
  const source = { bucket, trustedRoots: pass.trustedRoots, now: timing.now, revoked, isTrustedCa };
  const trusted = new TrustedCertificates(source, survey.manifests);
  const revocations = await readRevocationsInPass(pass);
  const revoking = revokingDigests(revocations);
  const holds = await readHoldsInPass(pass);
  const held = { holds, manifests: survey.manifests, revoked: new Set([...revoked, ...revoking]) };
  return {
    ...{ ...survey, revoked, budget, trusted, revocations, revoking, holds },
    replacements: await readReplacements(pass, revocations),
    holdIn: (fleet, name) => fleetHold(held, fleet, name, timing.now()),
  };
}

/** The certificates of this pass, as configured. */
export function selectedSpecs({ config, options }: Pass): CertificateSpec[] {
  return config.certificates.filter(({ name }) => options.only?.includes(name) ?? true);
}

/** The certificates that can be decided about. */
export function readableSpecs({ specs, blocked }: BucketSurvey): CertificateSpec[] {
  return specs.filter(({ name }) => !blocked.has(name));
}

type ManifestSource = Pick<BucketSurvey, 'memory' | 'version1'>;

/** That something is published to, or was before it was lost: their hosts are there. */
async function knownFleets(pass: Pass, memory: IssuerMemory): Promise<FleetName[]> {
  const remembered = await memory.fleets().catch((error: unknown) => {
    if (error instanceof ContractError || error instanceof BucketError) return [];
    throw error;
  });
  const published = pass.publishedFleets ?? (await publishedFleetsOrNone(pass));
  return [...new Set([...published, ...remembered])];
}

/** Each fleet's manifest, or why it cannot be read. */
async function readManifests(pass: Pass, fleets: readonly FleetName[], source: ManifestSource) {
  const all = await Promise.all(
    fleets.map(async (fleet) => [fleet, await readOrBroken(pass, fleet, source)] as const),
  );
  const foreign = new Set(all.flatMap(([fleet, read]) => (read === 'foreign' ? [fleet] : [])));
  const broken = new Map(all.flatMap(([fleet, read]) => (read instanceof Error ? [[fleet, read]] : [])));
  const read = new Map(
    all.flatMap(([fleet, read]) =>
      read instanceof Error ? [] : [[fleet, read === 'foreign' ? undefined : read]],
    ),
  );
  return { read, broken, foreign };
}

async function readOrBroken(
  { bucket, signing, log }: Pass,
  fleet: FleetName,
  { memory, version1 }: ManifestSource,
): Promise<ReadManifest | Unreadable | 'foreign' | undefined> {
  try {
    const { manifest, etag, signedBy, fault } = await readRoot(bucket, fleet, signing, memory);
    if (manifest !== undefined) return { manifest, etag: etag ?? '', signedBy };
    if (fault !== undefined) log('manifest.foreign', { fleet, code: codeOf(fault), error: messageOf(fault) });
    return (await version1.first(fleet)) ?? (fault && 'foreign');
  } catch (error) {
    if (error instanceof ContractError || error instanceof BucketError) return error;
    throw error;
  }
}

/** Without them a pass can work: they say how high sequences have come, and what hosts serve. */
async function readHosts({ bucket, log }: Pass): Promise<HostSummaries> {
  try {
    return await readHostSummaries(bucket);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    log('status.failed', { code: error.code, error: messageOf(error) });
    return NO_SUMMARIES;
  }
}

/** Whoever restores `issuer/` of yesterday may have an earlier key again: what hosts have read since shows it. */
function tellOtherKeys({ log }: Pass, hosts: HostSummaries['fleets']): void {
  for (const [fleet, summaries] of Object.entries(hosts)) {
    for (const [key, names] of otherKeysOf(summaries)) {
      log('signing-key.unknown', { fleet, key, count: names.length, hosts: names.slice(0, MAX_NAMED) });
    }
  }
}

function orderUrlsOf({ record }: StoredRecord): string[] {
  return record.legs.flatMap(({ orderUrl }) => orderUrl ?? []);
}
