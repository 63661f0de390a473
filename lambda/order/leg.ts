/** The order of one key type, as it is driven: every step is saved in its order record before the next one is taken. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { CertificateName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { ChallengeName } from '../config/challenge.ts';
import {
  type LegRecord,
  type OrderRecord,
  type StoredRecord,
  saveOrderRecord,
  withoutOrder,
} from './record.ts';

export class OrderLeg {
  readonly #bucket: Bucket;
  readonly #stored: StoredRecord;
  readonly #index: number;
  /** Of the certificate, in order of preference. */
  readonly challenges: readonly ChallengeName[];
  #leg: LegRecord;
  #key: KeyObject | undefined;

  constructor(bucket: Bucket, stored: StoredRecord, index: number, challenges: readonly ChallengeName[]) {
    const leg = stored.record.legs[index];
    if (leg === undefined) throw new TypeError(`the record of ${stored.name} has no leg ${index}`);
    this.#bucket = bucket;
    this.#stored = stored;
    this.#index = index;
    this.challenges = challenges;
    this.#leg = leg;
  }

  get certificate(): CertificateName {
    return this.#stored.name;
  }

  /** What all legs of the record share. */
  get record(): Pick<
    OrderRecord,
    'createdAt' | 'identifiers' | 'profile' | 'failures' | 'challengeFailures'
  > {
    return this.#stored.record;
  }

  /** An earlier pass may have placed an order that the record does not name: it was killed before the CA's answer was saved. */
  get mayBeLost(): boolean {
    return this.#stored.isResumed && this.orderUrl === undefined && !this.isRefused;
  }

  /** The CA's last answer to newOrder was a refusal. */
  get isRefused(): boolean {
    return this.#leg.isRefused ?? false;
  }

  get keyType(): string {
    return this.#leg.keyType;
  }

  /** Of the certificate. */
  get key(): KeyObject {
    this.#key ??= createPrivateKey(this.#leg.key);
    return this.#key;
  }

  /** certID (RFC 9773 §4.1) that the order is to name. */
  get replaces(): string | undefined {
    return this.#leg.replaces;
  }

  get orderUrl(): string | undefined {
    return this.#leg.orderUrl;
  }

  /** Challenge answers that are, or may be, visible. */
  get presented(): LegRecord['presented'] {
    return this.#leg.presented;
  }

  /** When the CA was first asked to validate what is presented. */
  get respondedAt(): Date | undefined {
    return this.#leg.respondedAt;
  }

  /** Since when the CA issues, as far as earlier passes have seen. */
  get processingSince(): Date | undefined {
    return this.#leg.processingSince;
  }

  /** URLs of orders that were given up, although their CA may still show them as open. */
  get abandoned(): readonly string[] {
    return this.#leg.abandoned ?? [];
  }

  /** The leg is driven with this order, in the place of the one that it names. */
  async nameOrder(orderUrl: string): Promise<void> {
    const leg = this.orderUrl === undefined ? this.#leg : withoutOrder(this.#leg);
    await this.save({ ...leg, orderUrl, isRefused: undefined });
  }

  /** The order at the CA is of no use any more: the next one is a new one. */
  async abandon(): Promise<void> {
    await this.save(withoutOrder(this.#leg));
  }

  /** Remembers how the names are proven, for the count of its failures; the next save keeps it. */
  useChallenge(challenge: ChallengeName): void {
    this.#stored.record = { ...this.#stored.record, challenge };
  }

  /** Only these answers may still be visible; the next save keeps it. */
  keepAnswers(presented: LegRecord['presented']): void {
    this.#leg = { ...this.#leg, presented };
    this.#stored.record = { ...this.#stored.record, legs: this.#legsWith(this.#leg) };
  }

  /** @throws BucketError `ERR_BUCKET_CONFLICT` if another pass has changed the record */
  async save(change: Partial<LegRecord>): Promise<void> {
    const leg = { ...this.#leg, ...change };
    await saveOrderRecord(this.#bucket, this.#stored, { legs: this.#legsWith(leg) });
    this.#leg = leg;
  }

  #legsWith(leg: LegRecord): LegRecord[] {
    return this.#stored.record.legs.with(this.#index, leg);
  }
}

export function legsOf(
  bucket: Bucket,
  stored: StoredRecord,
  challenges: readonly ChallengeName[],
): OrderLeg[] {
  return stored.record.legs.map((_, index) => new OrderLeg(bucket, stored, index, challenges));
}
