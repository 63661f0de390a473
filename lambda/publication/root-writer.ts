/**
 * A commit of one fleet: reads the root, merges the changes into it, writes the shards and then the signed root, on the condition that no other
 * writer has changed it since it was read; else it does all of that again. After it, everything has happened; before it, nothing.
 */
import { BucketError } from '#contract/errors.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { signReceipt } from '#contract/receipt.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';
import { factsOfCommit } from '../audit/commit.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Signing } from '../signing/signing-key.ts';
import type { IssuerMemory } from './ended.ts';
import { type Change, type Merged, mergeChanges } from './merge.ts';
import { type CurrentRoot, type ReadManifest, readRoot } from './read-manifest.ts';
import { forgettingTime } from './tombstones.ts';

export interface CommitOptions {
  now: () => Date;
  signing: Signing;
  /** What an issuer of version 1 has published to a fleet that has no root yet, verified: lambda/upgrade/first-manifest.ts. */
  first: (fleet: FleetName) => Promise<Manifest | undefined>;
  /** Writes version 1 of a root along: lambda/upgrade/along.ts. */
  writeAlong: (root: SignedManifest) => Promise<void>;
  /** Of all fleets of a pass together; absent: the publisher's own. */
  memory?: IssuerMemory | undefined;
  /** Gets a line for each certificate that a commit changes; absent: nobody asks who it was, as in a test. */
  audit?: AuditTrail | undefined;
  /** `keyRetention` of the configuration, which hosts keep to as well; absent: as the fleet's root has it. */
  keyRetentionDays?: number | undefined;
  /** The highest sequence that hosts of the fleet have reported under our own signature; 0: none. Absent: none is known. */
  floorOf?: ((fleet: FleetName) => Promise<number>) | undefined;
}

/** Enough for thirty writers that race for one manifest: each time, one of them gets through. */
const MAX_TRIES = 50;

export class RootWriter {
  readonly #bucket: Bucket;
  readonly #fleet: FleetName;
  readonly #options: CommitOptions;
  readonly #memory: IssuerMemory;
  #latest: ReadManifest | undefined;
  #hasChanged = false;

  constructor(bucket: Bucket, fleet: FleetName, options: CommitOptions, memory: IssuerMemory) {
    this.#bucket = bucket;
    this.#fleet = fleet;
    this.#options = options;
    this.#memory = memory;
  }

  /** The manifest after the last write; undefined if there was none. */
  get latest(): ReadManifest | undefined {
    return this.#latest;
  }

  /** Whether certificates or tombstones have changed, so that hosts have something to do. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  /**
   * Writes the root with these changes, unless they change nothing.
   * @throws BucketError, ContractError
   */
  async commit(changes: readonly Change[]): Promise<Merged> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt += 1) {
      const root = await this.readRoot();
      const { keyRetentionDays, signing } = this.#options;
      const { lineage } = signing;
      const kept = keyRetentionDays === undefined ? {} : { keyRetentionDays };
      const before = { ...(root.manifest ?? (await this.#firstManifest())), lineage, ...kept };
      const merged = await this.#merge(before, changes);
      const isDue = merged.isChanged || changes.some(({ kind }) => kind === 'sign');
      if (!isDue) return merged;
      // Before the root: whatever becomes of it, what was ended stays ended.
      const { tombstones } = merged.manifest;
      const passed = forgettingTime(before, this.#options.now());
      await this.#memory.keep(this.#fleet, { tombstones }, passed);
      if (!(await this.#write(root, before, merged.manifest))) continue;
      await this.#audit(before, merged, changes);
      this.#hasChanged ||= merged.isChanged;
      return merged;
    }
    throw new BucketError(
      'ERR_BUCKET_CONFLICT',
      layout.root(this.#fleet),
      `other writers were faster ${MAX_TRIES} times; the next pass tries again`,
    );
  }

  async #audit(before: SignedManifest, after: Merged, changes: readonly Change[]): Promise<void> {
    const { audit } = this.#options;
    if (audit === undefined) return;
    const because = changes.flatMap((change) =>
      change.kind === 'publish' && change.because ? [[change.name, change.because] as const] : [],
    );
    const facts = factsOfCommit({
      ...{ fleet: this.#fleet, before: before.certificates, after: after.manifest.certificates },
      ...{ changed: after.changed, ended: after.ended, because: new Map(because) },
    });
    if (facts.length > 0) await audit.record(facts);
  }

  /** What is published now. @throws BucketError, ContractError */
  async readRoot(): Promise<CurrentRoot> {
    return readRoot(this.#bucket, this.#fleet, this.#options.signing, this.#memory);
  }

  /** Of a fleet that has no root of ours. */
  async #firstManifest(): Promise<SignedManifest> {
    return this.#signedForm(await this.#options.first(this.#fleet));
  }

  #signedForm(old: Manifest | undefined): SignedManifest {
    const { certificates = {}, updatedAt = this.#options.now().toISOString() } = old ?? {};
    return {
      ...{ version: 2, fleet: this.#fleet, lineage: this.#options.signing.lineage, sequence: 0 },
      ...{ signedAt: updatedAt, updatedAt, requires: [], certificates, tombstones: {} },
    };
  }

  async #merge(before: SignedManifest, changes: readonly Change[]): Promise<Merged> {
    const { now, signing, floorOf } = this.#options;
    const time = now();
    const floor = Math.max(signing.lowestSequence, (await floorOf?.(this.#fleet)) ?? 0);
    const sequence = Math.max(before.sequence + 1, floor + 1, time.getTime());
    const { tombstones } = await this.#memory.of(this.#fleet);
    return mergeChanges(before, tombstones, changes, {
      ...{ now: time, sequence },
      receiptOf: (name, { sha256, notAfter }, since) =>
        signReceipt(signing.signer, { fleet: this.#fleet, name, sha256, notAfter, sequence: since }),
    });
  }

  /** @returns whether it is written: if not, another writer was faster */
  async #write(
    { etag, shards: published }: CurrentRoot,
    before: SignedManifest,
    after: SignedManifest,
  ): Promise<boolean> {
    const key = layout.root(this.#fleet);
    const { signer } = this.#options.signing;
    const content = { ...before, shards: published };
    const { manifest, shards } = await this.#memory.shardsOf(this.#fleet).write(content, after);
    const { text } = serializeRoot(manifest, signer, shards);
    const condition = etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag };
    // What cannot be read has no ETag for us, and is not ours: nothing of it is lost.
    const result = await this.#bucket.put(key, text, etag === 'unknown' ? undefined : condition);
    if (result === 'precondition-failed') return false;
    this.#latest = { manifest, etag: result.etag, signedBy: signer.key };
    await this.#memory.keep(this.#fleet, { key: signer.key }, forgettingTime(before, this.#options.now()));
    await this.#options.writeAlong(manifest);
    return true;
  }
}
