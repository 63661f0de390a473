/** An issuer that only signs, its operator, and hosts that follow or do not: what clocks, losses and backups make of the chain of keys. */
import { HOUR_MS } from '#common/time.ts';
import { codeOf } from '#contract/errors.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { parseKeys } from '#contract/key-chain.ts';
import { hostName, layout } from '#contract/layout.ts';
import { emptyManifest } from '#contract/manifest.ts';
import type { ReadRoot } from '#contract/root.ts';
import { decideRoot } from '../../../agent/trust/accept.ts';
import { reportedTrust, type TrustRecord } from '../../../agent/trust/record.ts';
import { otherSigner, ownHead } from '../../../lambda/fleet/heads.ts';
import { nameRecoveryKey, recoverKey, rotateKey } from '../../../lambda/signing/change-key.ts';
import { readRecoveryKey } from '../../../lambda/signing/recovery-file.ts';
import { openSigningKey, type Signing } from '../../../lambda/signing/signing-key.ts';
import { signedRoot } from '../agent/publish.ts';
import { memoryBucket } from '../bucket/memory-bucket.ts';
import { after, noon } from '../clock.ts';
import { parseRoot } from '../parse-root.ts';
import { fleet, makeHostStatus } from './documents.ts';

export type KeyZone = 'issuer' | 'published' | 'status';
type Copy = ReadonlyMap<string, string>;

const KEYS: Readonly<Record<KeyZone, readonly string[]>> = {
  issuer: [layout.signingKey],
  published: [layout.root(fleet), layout.keys(fleet)],
  status: ['lb1', 'lb2', 'lb3'].map((name) => layout.status(fleet, hostName.parse(name))),
};

/** One that polls: with the agent's own decision, and with the status that it reports. */
export interface StoryHost {
  name: string;
  trust?: TrustRecord | undefined;
  /** Of the root that it acted on. */
  head?: string | undefined;
  refusal?: string | undefined;
}

export class KeyStory {
  readonly bucket = memoryBucket();
  readonly hosts: readonly StoryHost[] = ['lb1', 'lb2', 'lb3'].map((name) => ({ name }));
  readonly #recoveryFile: string;
  #hours = 0;
  #hasBegun = false;
  /** How far the issuer's clock is ahead (behind: negative). */
  aheadHours = 0;
  recoveries = 0;

  /** @param recoveryFile does not exist yet */
  constructor(recoveryFile: string) {
    this.#recoveryFile = recoveryFile;
  }

  /** A first pass; the recovery key is made, and all hosts know it. */
  async begin(): Promise<void> {
    await this.pass();
    await nameRecoveryKey(this.#change(), this.#recoveryFile);
    await this.pass();
    await this.poll();
  }

  /** What the operator does: he runs it, and recovers the key where the issuer asks for that. He knows when nothing is left to ask. */
  async pass(): Promise<void> {
    this.#hours += 1;
    if (this.bucket.text(layout.signingKey) === undefined && this.#hasBegun) await this.recover();
    this.#hasBegun = true;
    const signing = await this.#open().catch(async (error: unknown) => {
      if (codeOf(error) !== 'ERR_SIGNING_KEY_LOST') throw error;
      await this.recover();
      return this.#open();
    });
    if (!(await this.#areOthersFollowed(signing))) return this.#sign(signing);
    await this.recover();
    return this.#sign(await this.#open());
  }

  async recover(): Promise<void> {
    this.recoveries += 1;
    await recoverKey(this.#change(), await readRecoveryKey(this.#recoveryFile));
  }

  /** An issuer without its key refuses; where nothing is left, nobody asks it. */
  async rotate(): Promise<void> {
    if (this.bucket.text(layout.signingKey) === undefined) return;
    await rotateKey(this.#change()).catch((error: unknown) => {
      if (codeOf(error) !== 'ERR_SIGNING_KEY_LOST') throw error;
    });
  }

  copy(zone: KeyZone): Copy {
    return new Map(
      KEYS[zone].flatMap((key) => {
        const text = this.bucket.text(key);
        return text === undefined ? [] : [[key, text]];
      }),
    );
  }

  async lose(zone: KeyZone): Promise<void> {
    for (const key of KEYS[zone]) await this.bucket.delete(key);
  }

  async restore(zone: KeyZone, copy: Copy): Promise<void> {
    await this.lose(zone);
    for (const [key, text] of copy) await this.bucket.put(key, text);
  }

  /** It meets the issuer as a new one. */
  forget(host: StoryHost): void {
    host.trust = undefined;
    host.head = undefined;
  }

  async poll(hosts = this.hosts): Promise<void> {
    for (const host of hosts) {
      const root = await this.#root();
      if (root !== undefined) await this.#decide(host, root);
      const name = hostName.parse(host.name);
      const status = makeHostStatus(host.name, {
        contract: 2,
        head: host.head,
        trust: host.trust && reportedTrust(host.trust),
      });
      await this.bucket.put(layout.status(fleet, name), serializeHostStatus(status));
    }
  }

  #change() {
    return { bucket: this.bucket, configured: [fleet], now: this.#now(), dryRun: false };
  }

  #open(): Promise<Signing> {
    return openSigningKey(this.bucket, { fleets: [fleet] });
  }

  #now(): Date {
    return after(noon, (this.#hours + this.aheadHours) * HOUR_MS);
  }

  /** `signing-key.unknown` */
  async #areOthersFollowed(signing: Signing): Promise<boolean> {
    return (await this.#statuses()).some((status) => otherSigner(status, signing) !== undefined);
  }

  async #statuses() {
    const texts = KEYS.status.flatMap((key) => this.bucket.text(key) ?? []);
    return texts.map((text) => JSON.parse(text) as ReturnType<typeof makeHostStatus>);
  }

  async #sign(signing: Signing): Promise<void> {
    const before = await this.#root();
    const own = before && signing.isOurs(before.key, before.manifest.sequence) ? before : undefined;
    const heads = (await this.#statuses()).map(
      (status) => ownHead(status, signing, this.#now())?.sequence ?? 0,
    );
    const last = Math.max(own?.manifest.sequence ?? 0, signing.lowestSequence, ...heads);
    const sequence = Math.max(last + 1, this.#now().getTime());
    const { lineage, signer } = signing;
    const text = signedRoot(emptyManifest(fleet, noon), { fleet, lineage, sequence }, signer);
    await this.bucket.put(layout.root(fleet), text);
  }

  async #root(): Promise<ReadRoot | undefined> {
    const text = this.bucket.text(layout.root(fleet));
    return text === undefined ? undefined : parseRoot(fleet, Buffer.from(text));
  }

  async #decide(host: StoryHost, root: ReadRoot): Promise<void> {
    const floor = host.trust?.floors[fleet];
    const known = { fleet, trust: host.trust, receipts: [], floors: floor ? [floor] : [] };
    const text = this.bucket.text(layout.keys(fleet));
    const statements = text === undefined ? [] : parseKeys(fleet, Buffer.from(text));
    const first = decideRoot(root, { ...known, statements: undefined });
    const decision = first.kind === 'needs-keys' ? decideRoot(root, { ...known, statements }) : first;
    if (decision.kind === 'needs-keys') throw new TypeError('the statements were given');
    host.trust = decision.trust;
    host.refusal = decision.kind === 'keep' ? decision.condition.condition : undefined;
    if (decision.kind === 'accept') host.head = root.head;
  }
}
