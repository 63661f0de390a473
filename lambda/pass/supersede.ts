/**
 * What becomes of certificates that are published and not configured: one whose names are all proved with others (configured, or issued
 * later), on every living host, ends by itself, and so does one that every living host holds as ended. All others stay until they expire,
 * or an operator withdraws them; each pass says so.
 */
import { inParallel } from '#common/in-parallel.ts';
import { leafNamesOf, parse } from '#contract/combined-pem.ts';
import { BucketError, ContractError, codeOf, messageOf, PemRejected } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf } from '#contract/manifest.ts';
import { specsOfFleet } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';
import { certificateStateOf, type PublishedManifest } from '../fleet/behind.ts';
import { isEndedAtAllHosts } from '../fleet/ended-pems.ts';
import { ownHeads } from '../fleet/heads.ts';
import { hostsUnproven, hostsWithoutProof, isLiving } from '../fleet/proof.ts';
import { readStatuses } from '../fleet/read-reports.ts';
import type { FleetStatuses } from '../fleet/report.ts';
import type { UnconfiguredOutcome } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { readPem } from '../publication/entry.ts';
import type { PublishedFleets } from '../publication/publisher.ts';
import { type OwnHead, type ReadManifest, version1Etag } from '../publication/read-manifest.ts';
import type { TrustedCertificates } from '../trusted/in-force.ts';
import { mayReplaceTrusted } from '../trusted/refused-ca.ts';
import type { Survey } from './survey.ts';
import {
  type Coverage,
  coverageOf,
  preferredTo,
  type Successor,
  type UnconfiguredCertificate,
  unconfiguredIn,
} from './unconfigured.ts';

/** Names and hosts in one outcome. */
const MAX_NAMED = 20;
/** Below this rest of the pass no statuses are read: they are many, and the next pass comes soon. */
const MIN_READ_MS = 30_000;
/** Ended at the same time: they share commits. */
const CONCURRENCY = 16;

type Source = PublishedFleets & Pick<Survey, 'hosts' | 'trusted' | 'revoked' | 'revoking' | 'lostPems'>;

/** @param fleets as the pass has left them. @returns an outcome for each; none in a pass over some certificates */
export async function endSuperseded(pass: Pass, fleets: Source): Promise<UnconfiguredOutcome[]> {
  if (pass.options.only !== undefined) return [];
  const outcomes: UnconfiguredOutcome[] = [];
  for (const read of fleets.manifests.values()) {
    if (read !== undefined) outcomes.push(...(await endInFleet(pass, fleets, read)));
  }
  for (const { fleet, certificate, result, reason, notAfter, by, unproven } of outcomes) {
    const event = result === 'superseded' ? 'certificate.superseded' : 'certificate.unconfigured';
    pass.log(event, { certificate, fleet, reason, notAfter, by, unproven });
  }
  return outcomes;
}

async function endInFleet(pass: Pass, source: Source, read: ReadManifest): Promise<UnconfiguredOutcome[]> {
  const unconfigured = unconfiguredIn(pass.config.certificates, read.manifest);
  const lasting = unconfigured.filter((one) => !isGoing(source, one));
  const fleet = new FleetProofs(pass, read, source.trusted, lasting);
  const outcomes: UnconfiguredOutcome[] = [];
  for (const certificate of unconfigured) {
    outcomes.push(await judge(pass, source, fleet, certificate));
  }
  return inParallel(
    outcomes,
    CONCURRENCY,
    async (outcome) => {
      const mayEnd = outcome.reason === 'superseded' || outcome.reason === 'ended';
      if (!mayEnd || pass.options.dryRun) return outcome;
      const isEnded = await endOne(pass, source.publishers, outcome);
      return isEnded ? { ...outcome, result: 'superseded' } : { ...outcome, reason: 'unreadable' };
    },
    ({ certificate }) => certificate,
  );
}

/** Nobody orders it anew: what is revoked, or lost in the bucket, takes no place of another one. */
function isGoing(
  { revoked, revoking, lostPems }: Source,
  { fleet, name, entry }: UnconfiguredCertificate,
): boolean {
  return entry.pems.some(
    ({ sha256 }) =>
      revoked.has(sha256) || revoking.has(sha256) || lostPems?.has(layout.pem(fleet, name, sha256)),
  );
}

async function judge(
  { timing }: Pass,
  { hosts, holdIn }: Source,
  fleet: FleetProofs,
  certificate: UnconfiguredCertificate,
): Promise<UnconfiguredOutcome> {
  const { entry, fleet: of, name } = certificate;
  if (holdIn?.(of, name) !== undefined) return outcomeOfKept(certificate, 'held');
  // A restored bucket has lost the tombstone. A new one that names no successor takes nothing off a host that serves it after all.
  if (isEndedAtAllHosts(entry, hosts[of], timing.now())) return outcomeOfKept(certificate, 'ended');
  return decideOrStay(fleet, certificate);
}

async function endOne(
  pass: Pass,
  publishers: PublishedFleets['publishers'],
  { fleet, certificate, by = [] }: UnconfiguredOutcome,
): Promise<boolean> {
  try {
    return (await publishers.get(fleet)?.supersede(certificate, by)) ?? false;
  } catch (error) {
    pass.log('certificate.failed', { certificate, code: codeOf(error), error: messageOf(error) });
    return false;
  }
}

/** A document that cannot be read keeps the certificate, and stops no other. */
async function decideOrStay(
  fleet: FleetProofs,
  certificate: UnconfiguredCertificate,
): Promise<UnconfiguredOutcome> {
  try {
    return await fleet.decide(certificate);
  } catch (error) {
    const isOfBucket = error instanceof BucketError || error instanceof ContractError;
    if (!isOfBucket && !(error instanceof PemRejected)) throw error;
    return {
      ...outcomeOfKept(certificate, 'unreadable'),
      error: { code: error.code, message: messageOf(error) },
    };
  }
}

/** What the hosts of a fleet say. */
interface FleetHosts extends FleetStatuses {
  /** That they should have acted on. */
  manifest: PublishedManifest;
  heads: ReadonlyMap<string, OwnHead | undefined>;
}

/** What hosts of one fleet have proved; their statuses are read once, and only where the names are covered. */
export class FleetProofs {
  readonly #pass: Pass;
  readonly #read: ReadManifest;
  readonly #trusted: TrustedCertificates;
  readonly #lasting: readonly UnconfiguredCertificate[];
  #hosts: Promise<FleetHosts> | undefined;

  /** @param lasting not configured, and may take the place of another one; of interest to `decide` alone */
  constructor(
    pass: Pass,
    read: ReadManifest,
    trusted: TrustedCertificates,
    lasting: readonly UnconfiguredCertificate[] = [],
  ) {
    this.#pass = pass;
    this.#trusted = trusted;
    this.#read = read;
    this.#lasting = lasting;
  }

  /** @throws BucketError, ContractError, PemRejected */
  async decide(certificate: UnconfiguredCertificate): Promise<UnconfiguredOutcome> {
    const { entry } = certificate;
    if (entry.issued.origin === 'imported') return outcomeOfKept(certificate, 'imported');
    const successors = this.#successorsOf(certificate);
    const first = this.#cover(entry.identifiers, successors);
    if (first.uncovered.length > 0) return uncovered(certificate, first);
    const { now, deadline } = this.#pass.timing;
    if (deadline.getTime() - now().getTime() < MIN_READ_MS) return outcomeOfKept(certificate, 'out-of-time');
    const names = await this.#namesOf(certificate);
    const all = this.#cover(names, successors);
    if (all.uncovered.length > 0) return uncovered(certificate, all);
    const coverage = this.#cover(names, await this.#fitFor(certificate, names, successors));
    if (coverage.uncovered.length > 0) {
      return { ...uncovered(certificate, coverage), reason: 'trusted-in-force' };
    }
    const by = [...coverage.by.keys()];
    const hosts = await this.hostsWithoutProof(certificate, coverage);
    if (hosts === undefined) return { ...outcomeOfKept(certificate, 'no-host'), by };
    if (hosts.length === 0) {
      return {
        ...outcomeOfKept(certificate, 'superseded'),
        by,
        ...(await this.#unproven(certificate, coverage)),
      };
    }
    return { ...outcomeOfKept(certificate, 'not-proved'), by, hosts: hosts.slice(0, MAX_NAMED) };
  }

  #cover(names: readonly string[], successors: readonly Successor[]): Coverage {
    return coverageOf(names, successors, this.#read.manifest, this.#pass.timing.now());
  }

  /** The configured first: they are renewed. */
  #successorsOf(certificate: UnconfiguredCertificate): Successor[] {
    const { fleet } = this.#read.manifest;
    return [
      ...specsOfFleet(this.#pass.config.certificates, fleet),
      ...preferredTo(certificate, this.#lasting),
    ];
  }

  /** Certificates that browsers do not trust take no place of one that they do. */
  async #fitFor(
    certificate: UnconfiguredCertificate,
    names: readonly string[],
    successors: readonly Successor[],
  ): Promise<readonly Successor[]> {
    if (!(await this.#trusted.has(certificate))) return successors;
    const { fleet, certificates } = this.#read.manifest;
    const fit: Successor[] = [];
    for (const successor of successors) {
      const { name, identifiers } = successor;
      const entry = certificates[name];
      const isNeeded = identifiers.some((held) => names.some((one) => coversName(held, one)));
      if (entry === undefined || !isNeeded) continue;
      const { directoryUrl } = acmeOriginOf(entry) ?? {};
      const isMeant = directoryUrl !== undefined && mayReplaceTrusted(this.#pass, directoryUrl);
      if (isMeant || (await this.#trusted.has({ fleet, name, entry }))) fit.push(successor);
    }
    return fit;
  }

  /** Those it was ordered with, and those in its leaves: a CA may have added one. */
  async #namesOf({ fleet, name, entry }: UnconfiguredCertificate): Promise<string[]> {
    const bare = entry.pems.map(({ ocsp: _, ...pem }) => readPem(this.#pass.bucket, fleet, name, pem));
    const texts = await Promise.all(bare);
    return [...entry.identifiers, ...texts.flatMap(({ text }) => leafNamesOf(parse(text).leaf))];
  }

  /** @returns undefined if no host lives. @throws BucketError, ContractError */
  async hostsWithoutProof(
    { fleet, name }: Pick<UnconfiguredCertificate, 'fleet' | 'name'>,
    { by }: Coverage,
  ): Promise<string[] | undefined> {
    this.#hosts ??= this.#readHosts(fleet);
    const { statuses, unreadable, manifest, heads } = await this.#hosts;
    const now = this.#pass.timing.now();
    const hosts = hostsWithoutProof(
      statuses,
      { of: name, by },
      (status, certificate, wanted) =>
        certificateStateOf(status, certificate, { wanted, manifest, head: heads.get(status.host) }),
      now,
    );
    // What cannot be read proves nothing; that of a host which is long gone refutes nothing either.
    const broken = unreadable.filter(({ writtenAt }) => isLiving({ reportedAt: writtenAt }, now));
    return hosts && [...hosts, ...broken.map(({ host }) => host)];
  }

  /** @returns when each was last heard of. @throws BucketError, ContractError */
  async livingHosts(fleet: FleetName): Promise<ReadonlyMap<string, string>> {
    this.#hosts ??= this.#readHosts(fleet);
    const { statuses, unreadable } = await this.#hosts;
    const now = this.#pass.timing.now();
    const all = [
      ...statuses.filter((status) => isLiving(status, now)),
      ...unreadable
        .filter(({ writtenAt }) => isLiving({ reportedAt: writtenAt }, now))
        .map(({ host, writtenAt }) => ({ host, reportedAt: writtenAt })),
    ];
    return new Map(all.map(({ host, reportedAt }) => [host, reportedAt]));
  }

  async #unproven(
    { fleet, name }: UnconfiguredCertificate,
    { by }: Coverage,
  ): Promise<Pick<UnconfiguredOutcome, 'unproven'>> {
    this.#hosts ??= this.#readHosts(fleet);
    const { statuses } = await this.#hosts;
    const unproven = hostsUnproven(statuses, { of: name, by }, this.#pass.timing.now());
    return unproven.length > 0 ? { unproven: unproven.slice(0, MAX_NAMED) } : {};
  }

  async #readHosts(fleet: FleetName): Promise<FleetHosts> {
    const { bucket, signing, timing } = this.#pass;
    const read = await readStatuses(bucket, fleet);
    const etag = await version1Etag(bucket, fleet, this.#read);
    const manifest = { etag, updatedAt: new Date(this.#read.manifest.updatedAt) };
    return { ...read, manifest, heads: ownHeads(read.statuses, signing, timing.now()) };
  }
}

function uncovered(certificate: UnconfiguredCertificate, coverage: Coverage): UnconfiguredOutcome {
  return {
    ...outcomeOfKept(certificate, 'not-covered'),
    uncovered: coverage.uncovered.slice(0, MAX_NAMED),
  };
}

function outcomeOfKept(
  { fleet, name: certificate, entry: { identifiers, pems } }: UnconfiguredCertificate,
  reason: UnconfiguredOutcome['reason'],
): UnconfiguredOutcome {
  const [first] = [...pems].sort((a, b) => (a.notAfter < b.notAfter ? -1 : 1));
  const { serial = '', notAfter = '' } = first ?? {};
  return { fleet, certificate, result: 'kept', reason, identifiers, serial, notAfter };
}
