/** The order of one key type, as it is driven: every step is saved in its order record before the next one is taken. */
import type { CertificateName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { PresentedChallenge } from '../challenge/solver.ts';
import { type LegRecord, type OrderRecord, type StoredRecord, saveOrderRecord } from './record.ts';

export class OrderLeg {
  readonly #bucket: Bucket;
  readonly #stored: StoredRecord;
  readonly #index: number;
  #leg: LegRecord;

  constructor(bucket: Bucket, stored: StoredRecord, index: number, leg: LegRecord) {
    this.#bucket = bucket;
    this.#stored = stored;
    this.#index = index;
    this.#leg = leg;
  }

  get certificate(): CertificateName {
    return this.#stored.name;
  }

  /** What all legs of the record share. */
  get record(): Pick<OrderRecord, 'identifiers' | 'profile' | 'failures'> {
    return this.#stored.record;
  }

  /** An earlier pass made the record, so an order may exist that it does not name. */
  get isResumed(): boolean {
    return this.#stored.isResumed;
  }

  get keyType(): string {
    return this.#leg.keyType;
  }

  /** PKCS#8 PEM. */
  get key(): string {
    return this.#leg.key;
  }

  /** certID (RFC 9773 §4.1) that the order is to name. */
  get replaces(): string | undefined {
    return this.#leg.replaces;
  }

  get orderUrl(): string | undefined {
    return this.#leg.orderUrl;
  }

  /** Challenge answers that are, or may be, visible. */
  get presented(): readonly PresentedChallenge[] {
    return this.#leg.presented;
  }

  /** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass has changed the record */
  async save(change: Partial<LegRecord>): Promise<void> {
    const leg = { ...this.#leg, ...change };
    await saveOrderRecord(this.#bucket, this.#stored, {
      legs: this.#stored.record.legs.with(this.#index, leg),
    });
    this.#leg = leg;
  }
}

export function legsOf(bucket: Bucket, stored: StoredRecord): OrderLeg[] {
  return stored.record.legs.map((leg, index) => new OrderLeg(bucket, stored, index, leg));
}
