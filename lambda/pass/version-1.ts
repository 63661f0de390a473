/** What a pass does about version 1: reads it, takes over what an issuer of version 1 published, and knows which fleets still need it. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { SignedManifest } from '#contract/root.ts';
import { namesOfFleet } from '../config/config.ts';
import type { HostSummaries } from '../fleet/hosts.ts';
import { decideVersion1 } from '../fleet/version-1.ts';
import type { Pass } from '../pass.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { ReadManifest } from '../publication/read-manifest.ts';
import { type CurrentVersion1, isWrittenByOthers, readVersion1 } from '../publication/version1.ts';
import { type AlongOptions, alongWriter } from '../upgrade/along.ts';
import { type FirstManifest, readFirstManifest } from '../upgrade/first-manifest.ts';
import { reasonNotToWrite } from '../upgrade/image.ts';

/** `manifest.json` of each fleet, as the pass found it. */
export class Version1Survey implements AlongOptions {
  readonly #pass: Pass;
  readonly #memory: IssuerMemory;
  readonly #book: HostSummaries;
  readonly #taken = new Map<FleetName, Promise<FirstManifest | undefined>>();
  /** By fleet: ETag of what others wrote, as soon as it is judged. */
  readonly #judged = new Map<FleetName, string>();
  readonly current: ReadonlyMap<FleetName, CurrentVersion1>;
  readonly writeAlong: ReturnType<typeof alongWriter>;

  private constructor(
    pass: Pass,
    memory: IssuerMemory,
    book: HostSummaries,
    current: ReadonlyMap<FleetName, CurrentVersion1>,
  ) {
    this.#pass = pass;
    this.#memory = memory;
    this.#book = book;
    this.current = current;
    this.writeAlong = alongWriter(pass, this);
  }

  static async read(
    pass: Pass,
    fleets: readonly FleetName[],
    { memory, book }: { memory: IssuerMemory; book: HostSummaries },
  ): Promise<Version1Survey> {
    const read = async (fleet: FleetName) => [fleet, await readOrFault(pass, fleet)] as const;
    return new Version1Survey(pass, memory, book, new Map(await Promise.all(fleets.map(read))));
  }

  /**
   * Of a fleet without a root of ours: what an issuer of version 1 published there.
   * @throws ContractError, BucketError
   */
  async first(fleet: FleetName): Promise<ReadManifest | undefined> {
    const { bucket, signing, timing } = this.#pass;
    const options = {
      keys: signing,
      memory: this.#memory,
      now: timing.now(),
      current: this.current.get(fleet),
    };
    const work = this.#taken.get(fleet) ?? readFirstManifest(bucket, fleet, options);
    if (!this.#taken.has(fleet)) {
      this.#taken.set(fleet, work);
      const taken = await work;
      if (taken !== undefined) this.judge(fleet, taken.refused);
    }
    return work;
  }

  /** What others wrote there has been judged: it may be replaced. @param refused by certificate: why */
  judge(fleet: FleetName, refused: ReadonlyMap<CertificateName, string>): void {
    for (const [certificate, reason] of refused) {
      this.#pass.log('manifest.refused', { fleet, certificate, reason });
    }
    const { etag } = this.current.get(fleet) ?? {};
    if (etag !== undefined) this.#judged.set(fleet, etag);
  }

  /** Writes version 1 where it is not what the root is: a host may need it since this pass only. */
  async align(fleet: FleetName, read: ReadManifest | undefined): Promise<void> {
    const current = this.current.get(fleet);
    if (read?.manifest.version !== 2 || current === undefined || current.fault instanceof BucketError) return;
    const root = read.manifest as SignedManifest;
    if (reasonNotToWrite(current, root, this.optionsOf(fleet)) === undefined) await this.writeAlong(root);
  }

  isNeeded(fleet: FleetName): boolean {
    const { config, timing } = this.#pass;
    const { etag, fault } = this.current.get(fleet) ?? {};
    const evidence = {
      summaries: this.#book.fleets[fleet],
      version1At: this.#book.version1At[fleet],
      isPublished: etag !== undefined || fault !== undefined,
    };
    return decideVersion1(config.contract.v1, evidence, timing.now()).isWritten;
  }

  optionsOf(fleet: FleetName) {
    const { config, timing } = this.#pass;
    const configured = [...namesOfFleet(config.certificates, fleet)];
    return { now: timing.now(), judged: this.#judged.get(fleet), configured };
  }
}

/** Fleets whose version 1 an older issuer, or somebody else, has written since this issuer did. */
export function othersWork({ current }: Version1Survey): FleetName[] {
  return [...current].flatMap(([fleet, { manifest }]) =>
    manifest !== undefined && isWrittenByOthers(manifest) ? [fleet] : [],
  );
}

async function readOrFault({ bucket, log }: Pass, fleet: FleetName): Promise<CurrentVersion1> {
  try {
    return await readVersion1(bucket, fleet);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    log('version-1.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    return { manifest: undefined, etag: undefined, fault: error };
  }
}
