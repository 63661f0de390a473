/** An order's way through a pass: its record is made before it is needed, kept when the attempt fails, then deleted. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { NotOffered } from '../../acme/problem.ts';
import type { CaAccount } from '../../ca/ca.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import { cleanUp } from '../../order/authorize.ts';
import { afterFailure, type OrderFailure, orderFailureOf } from '../../order/back-off.ts';
import { keyFor } from '../../order/key.ts';
import { legsOf, type OrderLeg } from '../../order/leg.ts';
import {
  createOrderRecord,
  deleteOrderRecord,
  type LegRecord,
  namedOrders,
  type OrderRecord,
  openOrders,
  type StoredRecord,
  saveOrderRecord,
} from '../../order/record.ts';
import type { Pass } from '../../pass.ts';
import type { Plan } from '../plan.ts';

export class OrderInFlight {
  readonly plan: Plan;
  readonly #pass: Pass;
  /** Orders that the record named when it was opened, by URL. */
  #placedBefore: ReadonlySet<string> = new Set();
  #stored: StoredRecord | undefined;
  #isOpened = false;

  constructor(pass: Pass, plan: Plan) {
    this.plan = plan;
    this.#pass = pass;
    this.#stored = plan.stored;
  }

  /** The CA has given out every order of the record: to resume it costs no new one. */
  get isPlaced(): boolean {
    const { decision, stored } = this.plan;
    return (
      decision.action === 'resume' &&
      stored !== undefined &&
      openOrders(stored.record) === stored.record.legs.length
    );
  }

  /** What the budget counts for it. */
  get request(): BudgetRequest | undefined {
    return this.plan.reservation?.request;
  }

  /** Orders that this pass has placed, those included that another one has replaced since. */
  get placed(): number {
    if (!this.#isOpened || this.#stored === undefined) return 0;
    return namedOrders(this.#stored.record).filter((url) => !this.#placedBefore.has(url)).length;
  }

  /** That the record was made for: a fallback CA may not offer the configured one. */
  get profile(): string | undefined {
    return this.#stored?.record.profile;
  }

  /** As the record has it now. */
  get failure(): OrderFailure | undefined {
    const { published } = this.plan;
    return this.#stored && orderFailureOf(this.#stored.record, published?.pems, this.#pass.timing.now());
  }

  /** The record as it is now; undefined if the attempt did not come so far. */
  get stored(): StoredRecord | undefined {
    return this.#stored;
  }

  hasRecordAt(directoryUrl: string): boolean {
    return this.#stored?.record.directoryUrl === directoryUrl;
  }

  /** As its record has it: also where the error alone does not say so. */
  isRefusedAt(directoryUrl: string): boolean {
    return this.hasRecordAt(directoryUrl) && (this.#stored?.record.lastFailure?.isPolicy ?? false);
  }

  /** Its account was registered again, because the CA did not know it. */
  isAccountRenewedAt(directoryUrl: string): boolean {
    return this.hasRecordAt(directoryUrl) && (this.#stored?.record.isAccountRenewed ?? false);
  }

  /** The legs of the record that an earlier pass left, or of a new one with fresh keys. */
  async open(account: CaAccount): Promise<OrderLeg[]> {
    const { decision, stored } = this.plan;
    const isResumed = stored !== undefined && decision.action === 'resume';
    const opened = isResumed ? stored : await this.#create(account);
    this.#stored = opened;
    this.#placedBefore = new Set(namedOrders(opened.record));
    this.#isOpened = true;
    return legsOf(this.#pass.bucket, opened, this.plan.spec.challenge);
  }

  /** The record keeps a failure of the order; a conflict belongs to the pass that was faster, a broken account record to none. */
  async saveFailure(error: unknown): Promise<void> {
    const stored = this.#stored;
    const isOfOrder = !(error instanceof BucketError) && codeOf(error) !== 'ERR_ACCOUNT_RECORD';
    if (stored === undefined || !isOfOrder) return;
    const { bucket, log, random, timing } = this.#pass;
    const change = afterFailure(stored.record, error, timing.now(), random());
    try {
      await saveOrderRecord(bucket, stored, change);
    } catch (unsaved) {
      log('certificate.failed', {
        certificate: stored.name,
        code: codeOf(unsaved),
        error: messageOf(unsaved),
        reason: 'the failure could not be saved',
      });
    }
  }

  delete(): Promise<void> {
    return deleteOrderRecord(this.#pass.bucket, this.plan.spec.name);
  }

  async #create(account: CaAccount): Promise<StoredRecord> {
    const { decision, spec, stored } = this.plan;
    const { bucket, timing } = this.#pass;
    const profile = this.#profileAt(account);
    const legs = await Promise.all(spec.keyTypes.map((keyType) => this.#newLeg(keyType, account)));
    const now = timing.now();
    if (stored !== undefined) await discardOrder(this.#pass, stored);
    return createOrderRecord(bucket, spec.name, {
      version: 1,
      createdAt: now,
      directoryUrl: account.settings.directoryUrl,
      identifiers: spec.identifiers,
      profile,
      legs,
      failures: 0,
      ...failuresElsewhere(decision, stored),
      notBefore: now,
    });
  }

  async #newLeg(keyType: string, { client }: CaAccount): Promise<LegRecord> {
    const { spec, published, isFreshKey } = this.plan;
    const reuseKey = spec.reuseKey && !isFreshKey;
    const key = await keyFor(this.#pass.bucket, { ...spec, reuseKey }, keyType, published);
    // RFC 9773 §5: `replaces` may only name a certificate of the same account.
    const isSameAccount = published?.issued.accountUrl === client.accountUrl;
    const old = isSameAccount ? published?.pems.find((pem) => pem.keyType === keyType) : undefined;
    return { keyType, key, presented: [], replaces: old?.certId };
  }

  /** draft-ietf-acme-profiles §3. A fallback CA without profiles is still better than no certificate. */
  #profileAt({ client, settings }: CaAccount): string | undefined {
    const { profile } = this.plan.spec;
    const offered = Object.keys(client.directory.meta?.profiles ?? {});
    if (profile === undefined || offered.includes(profile)) return profile;
    if (settings.directoryUrl !== this.#pass.config.acme.directoryUrl) return undefined;
    throw new NotOffered(`wanted profile ${profile}; the CA offers ${offered.join(', ') || 'no profiles'}`);
  }
}

/** From CA to CA the waits grow: each of them refuses this certificate, or fails. */
function failuresElsewhere(
  { reason }: Plan['decision'],
  stored: StoredRecord | undefined,
): Pick<OrderRecord, 'failuresElsewhere'> {
  if (reason !== 'ca-failing' || stored === undefined) return {};
  const { failures, failuresElsewhere: before = 0 } = stored.record;
  return { failuresElsewhere: before + failures };
}

/** Deletes the records of certificates that are not configured any more; a pass over some certificates leaves them. */
export async function discardUnconfigured(
  pass: Pass,
  records: ReadonlyMap<string, StoredRecord>,
): Promise<void> {
  if (pass.options.only !== undefined) return;
  const names = new Set<string>(pass.config.certificates.map((spec) => spec.name));
  for (const stored of records.values()) if (!names.has(stored.name)) await discardOrder(pass, stored);
}

/** Nothing else would end it before the next renewal: the failure of something that nobody wants any more is none. */
export async function discardStale(pass: Pass, { isStale, stored }: Plan): Promise<void> {
  if (isStale && stored !== undefined) await discardOrder(pass, stored);
}

async function discardOrder(pass: Pass, { name, record }: StoredRecord): Promise<void> {
  const [first] = record.legs;
  const status = 'no longer wanted';
  pass.log('order.abandoned', { certificate: name, order: first?.orderUrl, status });
  const presented = record.legs.flatMap((leg) => leg.presented);
  await cleanUp(pass, name, presented);
  await deleteOrderRecord(pass.bucket, name);
}
