/**
 * Makes a certificate visible to a fleet: first it puts the PEM under its digest, then the root names it (root-writer.ts). It writes nothing
 * that is published already. It also takes certificates back: by tombstones, since what is only missing means nothing to a host.
 */
import { Batches } from '#common/batched.ts';
import { inParallel } from '#common/in-parallel.ts';
import { MINUTE_MS } from '#common/time.ts';
import { BucketError } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { PublishedBecause } from '../audit/commit.ts';
import { type AuditActor, wholeReason } from '../audit/line.ts';
import type { Hold } from '../hold/in-force.ts';
import type { Log } from '../log.ts';
import { IssuerMemory } from './ended.ts';
import { addToHistory } from './history/history.ts';
import type { Change, Merged } from './merge.ts';
import { publishedPems } from './published-pems.ts';
import type { ReadManifest } from './read-manifest.ts';
import { type CommitOptions, RootWriter } from './root-writer.ts';
import type { FleetShards } from './shards/fleet-shards.ts';
import { type EndedPem, unitePems, validPemsOf } from './tombstones.ts';

/** A combined PEM with the digest that makes its key, and the OCSP response that belongs to it. */
export interface PemText {
  sha256: string;
  text: string;
  ocsp?: { sha256: string; body: Buffer } | undefined;
}

/** The fleets of a pass, with what each serves now and with what changes it. */
export interface PublishedFleets {
  /** Keys of published PEMs and staples that the bucket does not hold any more, or not as they were. */
  readonly lostPems?: ReadonlySet<string> | undefined;
  /** `undefined` for a fleet that has no manifest yet. */
  readonly manifests: ReadonlyMap<FleetName, ReadManifest | undefined>;
  readonly publishers: ReadonlyMap<FleetName, Publisher>;
  /** Why nothing new of this certificate goes to the fleet; absent: nobody holds any. */
  readonly holdIn?: ((fleet: FleetName, name: CertificateName) => Hold | undefined) | undefined;
}

export interface PublisherOptions extends CommitOptions {
  log?: Log | undefined;
  /** So long does a change that is in no hurry wait for others; default: a minute. */
  patienceMs?: number | undefined;
}

export function createPublishers(
  bucket: Bucket,
  fleets: Iterable<FleetName>,
  options: PublisherOptions,
): PublishedFleets['publishers'] {
  const memory = options.memory ?? new IssuerMemory(bucket);
  return new Map([...fleets].map((fleet) => [fleet, new Publisher(bucket, fleet, { ...options, memory })]));
}

/** How a publication goes, and why. */
export interface Publishing extends Partial<PublishedBecause> {
  isUnhurried?: boolean | undefined;
}

const PUBLISHED: PublishedBecause = { action: 'published' };

function becauseOf({ action, reason }: Partial<PublishedBecause>): PublishedBecause | undefined {
  return action === undefined ? undefined : { action, reason };
}

/** As the line of the audit trail has it. */
function whyOf({ action, reason: due }: PublishedBecause, { by, command, reason: given }: AuditActor) {
  const reason = wholeReason(due, given);
  return { action, ...(reason !== undefined && { reason }), by, command };
}

export interface WithdrawOptions {
  /** `withdrawn`, `revoked`: hosts obey at once; `superseded`: once they serve the certificates in `by`. */
  reason: 'withdrawn' | 'revoked' | 'superseded';
  /** Somebody has its keys. */
  isStolen?: boolean | undefined;
  /** Of `superseded`: the certificates that took its place. */
  by?: readonly CertificateName[] | undefined;
  /** The operator has confirmed that so many may go at once. */
  yes?: boolean | undefined;
  /** All valid PEMs of a name, as the caller has read them from bucket and hosts; absent: those of the bucket are read. */
  known?: ReadonlyMap<CertificateName, readonly EndedPem[]> | undefined;
}

/** Of each name, exactly one. */
export interface Withdrawn {
  /** A tombstone ends what was published under these names. */
  withdrawn: CertificateName[];
  /** More than a third of the fleet at once: wait for `yes`. */
  held: CertificateName[];
  /** No valid PEM was ever published under these names. */
  unknown: CertificateName[];
}

/** Names of a withdrawal whose PEMs are read at the same time. */
const CONCURRENCY = 10;

/**
 * Publishes to one fleet. Changes that come during a write of the manifest share the next write; those that are in no hurry wait a minute
 * for others, until the pass has no more to come.
 */
export class Publisher {
  readonly #bucket: Bucket;
  readonly #fleet: FleetName;
  readonly #options: PublisherOptions;
  readonly #memory: IssuerMemory;
  readonly #root: RootWriter;
  readonly #commits: Batches<readonly Change[], Merged>;
  /** Runs while a change waits for others. */
  #patience: NodeJS.Timeout | undefined;
  #isHurried = false;

  constructor(bucket: Bucket, fleet: FleetName, options: PublisherOptions) {
    this.#bucket = bucket;
    this.#fleet = fleet;
    this.#options = options;
    this.#memory = options.memory ?? new IssuerMemory(bucket);
    this.#root = new RootWriter(bucket, fleet, options, this.#memory);
    this.#commits = new Batches((batch) => {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      return this.#root.commit(batch.flat());
    });
  }

  #commit(changes: readonly Change[]): Promise<Merged> {
    return this.#commits.add(changes);
  }

  #commitWithOthers(changes: readonly Change[]): Promise<Merged> {
    if (this.#isHurried) return this.#commit(changes);
    this.#patience ??= setTimeout(() => this.#commits.flush(), this.#options.patienceMs ?? MINUTE_MS);
    return this.#commits.join(changes);
  }

  /** No other change is to come for which those in line, or later ones, should wait. */
  hurry(): void {
    this.#isHurried = true;
    this.#commits.flush();
  }

  /** The manifest after the last write; undefined if there was none. */
  get latest(): ReadManifest | undefined {
    return this.#root.latest;
  }

  /** Of the fleet's manifest, as far as this pass has read or written them. */
  get shards(): FleetShards {
    return this.#memory.shardsOf(this.#fleet);
  }

  /** Whether certificates or tombstones have changed, so that hosts have something to do. */
  get hasChanged(): boolean {
    return this.#root.hasChanged;
  }

  /**
   * @param texts the PEMs of `entry`, in the same order
   * @param how `staples`: changes nothing if `entry` has other PEMs than the manifest, where another pass was faster; `isUnhurried`: waits
   * for others that can share its commit, a minute at most; for the audit trail, why it is published
   * @returns `unchanged` also where a tombstone names one of the PEMs: only reinstate() brings them back
   * @throws BucketError, ContractError
   */
  async publish(
    name: CertificateName,
    entry: ManifestEntry,
    texts: readonly PemText[],
    how?: 'staples' | Publishing,
  ): Promise<'published' | 'unchanged'> {
    if (how === 'staples') return this.#publish({ kind: 'publish', name, entry, only: how }, texts);
    const { isUnhurried, ...because } = how ?? {};
    const change = { kind: 'publish', name, entry, because: becauseOf(because) } as const;
    return this.#publish(change, texts, isUnhurried);
  }

  /** As publish(), on an operator's word: a tombstone names these PEMs no more. */
  async reinstate(
    name: CertificateName,
    entry: ManifestEntry,
    texts: readonly PemText[],
    because?: PublishedBecause,
  ): Promise<'published' | 'unchanged'> {
    await this.#memory.reinstate(this.#fleet, new Set(entry.pems.map(({ sha256 }) => sha256)));
    return this.#publish({ kind: 'publish', name, entry, again: true, because }, texts);
  }

  /** Puts the staple of a published PEM where it is missing, or altered. @throws BucketError */
  async restoreStaple(name: CertificateName, { sha256, ocsp }: PemText): Promise<void> {
    if (ocsp === undefined) return;
    await this.#bucket.put(layout.ocsp(this.#fleet, name, sha256, ocsp.sha256), ocsp.body);
  }

  /** Puts the PEMs of a published entry where they are missing, or altered. */
  async restorePems(name: CertificateName, texts: readonly PemText[]): Promise<void> {
    for (const { sha256, text } of texts) {
      await this.#bucket.put(layout.pem(this.#fleet, name, sha256), text);
    }
  }

  /**
   * Ends all valid PEMs that were ever published under these names: those of the manifest, and those that the bucket still holds. Hosts
   * remove them, and no others; what is published under the name later is not hit. All names share one commit, and of them more than one
   * and more than a third of the manifest are held back alone, unless `yes` says otherwise or they are superseded.
   * @throws BucketError, ContractError
   */
  async withdraw(names: readonly CertificateName[], options: WithdrawOptions): Promise<Withdrawn> {
    const { manifest } = await this.#root.readRoot();
    const found = await inParallel(
      names,
      CONCURRENCY,
      async (name) => {
        const entry = manifest?.certificates[name];
        const now = this.#options.now();
        const known = options.known?.get(name);
        const pems = known
          ? unitePems(validPemsOf(entry, now), known)
          : await publishedPems(this.#bucket, this.#fleet, { name, entry }, now);
        return { name, pems };
      },
      (name) => name,
    );
    const ends = found.flatMap(({ name, pems }) => this.#endOf(name, pems, options) ?? []);
    const { held } = ends.length === 0 ? { held: new Set() } : await this.#commit(ends);
    const unknown = found.filter(({ pems }) => pems.length === 0).map(({ name }) => name);
    const withdrawn = names.filter((name) => !held.has(name) && !unknown.includes(name));
    return { withdrawn, held: names.filter((name) => held.has(name)), unknown };
  }

  /** Other certificates serve all names of this one, on every living host: it ends by itself. @returns whether there was anything to end */
  async supersede(name: CertificateName, by: readonly CertificateName[]): Promise<boolean> {
    const { withdrawn } = await this.withdraw([name], { reason: 'superseded', by });
    return withdrawn.length > 0;
  }

  /** Ends these PEMs, for example revoked ones, and leaves the others of the name. */
  async endPems(name: CertificateName, pems: readonly EndedPem[], options: WithdrawOptions): Promise<void> {
    const end = this.#endOf(name, pems, { ...options, yes: true });
    if (end !== undefined) await this.#commit([end]);
  }

  /**
   * Publishes again, in one commit, what the fleet had before its root was lost or replaced by an older one; its PEMs are in the bucket.
   * What is older than the manifest's entry, or ended, is not published.
   * @returns the names that are. @throws BucketError, ContractError
   */
  async publishAgain(entries: ReadonlyMap<CertificateName, ManifestEntry>): Promise<CertificateName[]> {
    const changes = [...entries].map(([name, entry]): Change => {
      return { kind: 'publish', name, entry, only: 'newer', because: { action: 'restored' } };
    });
    const { changed } = await this.#commit(changes);
    return [...entries.keys()].filter((name) => changed.has(name));
  }

  /** Drops entries that have expired and are not configured, and signs anew. @param configured in this fleet */
  async maintain(configured: ReadonlySet<CertificateName>): Promise<void> {
    await this.#commit([{ kind: 'drop-expired', configured }, { kind: 'sign' }]);
  }

  #endOf(
    name: CertificateName,
    pems: readonly EndedPem[],
    { reason, by, isStolen = false, yes = false }: WithdrawOptions,
  ): Change | undefined {
    if (pems.length === 0) return undefined;
    const at = this.#options.now().toISOString();
    const words = { reason, at, ...(by && { by: [...by] }), ...(isStolen && { stolenAt: at }) };
    const tombstone: Tombstone = { ...words, pems: [...pems] };
    return { kind: 'end', name, tombstone, yes };
  }

  async #publish(
    change: Extract<Change, { kind: 'publish' }>,
    texts: readonly PemText[],
    isUnhurried = false,
  ): Promise<'published' | 'unchanged'> {
    for (const text of texts) await this.#putImmutable(change.name, text);
    const { changed } = await (isUnhurried ? this.#commitWithOthers([change]) : this.#commit([change]));
    if (!changed.has(change.name)) return 'unchanged';
    await this.#addToHistory(change);
    return 'published';
  }

  /** After the commit: what fails here takes nothing back. */
  async #addToHistory({ name, because }: Extract<Change, { kind: 'publish' }>): Promise<void> {
    const entry = this.latest?.manifest.certificates[name];
    if (entry === undefined) return;
    const actor = this.#options.audit?.actor;
    const why = actor && whyOf(because ?? PUBLISHED, actor);
    try {
      await addToHistory(this.#bucket, this.#fleet, [name, entry], why);
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      const fields = { certificate: name, fleet: this.#fleet, code: error.code, error: error.message };
      this.#options.log?.('history.failed', fields);
    }
  }

  /** The key holds the digest: an object that exists has the same bytes. */
  async #putImmutable(name: CertificateName, { sha256, text, ocsp }: PemText): Promise<void> {
    await this.#bucket.put(layout.pem(this.#fleet, name, sha256), text, { ifNoneMatch: '*' });
    if (ocsp === undefined) return;
    const key = layout.ocsp(this.#fleet, name, sha256, ocsp.sha256);
    await this.#bucket.put(key, ocsp.body, { ifNoneMatch: '*' });
  }
}
