/** What pemfleet allows itself at each CA during a pass: what its limits leave, pauses, refusals and outages. */
import { isWaitingUntil } from '#common/clock.ts';
import { messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { concernsAll } from '../acme/fault.ts';
import { type AcmeProblem, AuthorizationFailed, AuthorizationsFailed } from '../acme/problem.ts';
import { LIMIT_KINDS, type LimitKind } from '../config/limits.ts';
import type { Log } from '../log.ts';
import { Buckets, pruned } from './buckets.ts';
import { type BudgetRequest, type Demand, demandsOf, isExempt, validatedNames } from './demands.ts';
import { type HeldBack, heldBackBy } from './held-back.ts';
import type { CaLimits } from './known-cas.ts';
import { type LimitConfig, limitsOf } from './limits.ts';
import {
  avoidedUntil,
  isPausing,
  isTurningAway,
  pausedUntil,
  withOutage,
  withoutOutage,
  withPause,
} from './pause.ts';
import { concerns, type LimitRefusal, LONGEST_REFUSAL_MS, refusalOf } from './refusals.ts';
import {
  type CaState,
  caEntryOf,
  type HeldGroup,
  hasIssuedUntrusted,
  readCaState,
  withCaEntry,
  writeCaState,
} from './state.ts';
import { type Limit, roomAt, tokensIn } from './token-bucket.ts';

export interface CaBudgetOptions {
  bucket: Bucket;
  /** Default: the published limits of known CAs. */
  config?: LimitConfig | undefined;
  now: () => Date;
  log: Log;
}

export async function readCaBudget(options: CaBudgetOptions): Promise<CaBudget> {
  return new CaBudget(options, await readCaState(options.bucket));
}

/** Many certificates change it at once: each verb is one step, and only `save` writes the document. */
export class CaBudget {
  readonly #options: CaBudgetOptions;
  /** An outage counts once in a pass, however many certificates meet it. */
  readonly #begin: Date;
  readonly #limits = new Map<string, CaLimits>();
  readonly #buckets: Buckets;
  /** What certificates of this pass will take if they succeed, by CA, limit and subject. */
  readonly #reserved = new Map<string, number>();
  /** What those that were held back would have taken: the next one waits longer. */
  readonly #waiting = new Map<string, number>();
  /** CAs whose certificates were held against what browsers trust. */
  readonly #judged = new Set<string>();
  #state: CaState;
  #saved: CaState;
  #savedChanges = 0;

  constructor(options: CaBudgetOptions, state: CaState) {
    this.#options = options;
    this.#begin = options.now();
    this.#buckets = new Buckets(state);
    this.#state = state;
    this.#saved = state;
  }

  /** By the clock of the pass. */
  get now(): Date {
    return this.#options.now();
  }

  /** As it counts now. */
  get state(): CaState {
    return this.#buckets.writtenTo(this.#state);
  }

  /** The CA asked us to stay away until then. */
  pausedUntil(directoryUrl: string): Date | undefined {
    return pausedUntil(this.#state, directoryUrl, this.#options.now());
  }

  /** The CA was out of reach: others go first until then. */
  avoidedUntil(directoryUrl: string): Date | undefined {
    return avoidedUntil(this.#state, directoryUrl, this.#options.now());
  }

  /** What it issued lately was not published, because browsers do not trust it and trust what is in force. */
  hasIssuedUntrusted(directoryUrl: string): boolean {
    return hasIssuedUntrusted(this.#state, directoryUrl, this.#options.now());
  }

  /** Certificates that it does not take now go to the next CA in the same pass. */
  isTurningAway(directoryUrl: string): boolean {
    return isTurningAway(this.#state, directoryUrl);
  }

  /** Limits by which the CA has refused what concerns this request, and failures of its names; undefined if the CA may be asked. */
  refusedBy(request: BudgetRequest): HeldBack | undefined {
    const { directoryUrl } = request;
    const { refused = {} } = caEntryOf(this.#state, directoryUrl);
    const limits = this.#limitsOf(directoryUrl);
    const now = this.#options.now();
    const all = LIMIT_KINDS.filter((kind) => !isExempt(limits, request, kind)).flatMap((kind) =>
      Object.entries(refused[kind] ?? {}).flatMap(([subject, until]) => {
        const isHeld = isWaitingUntil(until, now, LONGEST_REFUSAL_MS) && concerns(kind, subject, request);
        return isHeld ? [heldBackBy(directoryUrl, { kind, subject, tokens: 1 }, undefined, until)] : [];
      }),
    );
    return latestOf(all);
  }

  /** How many certificates of one registered domain the CA allows; undefined: as many as are wanted. */
  domainLimit(directoryUrl: string): Limit | undefined {
    return this.#limitsOf(directoryUrl).limits.certificatesPerDomain;
  }

  /** @returns undefined if the request has its place, else what holds it back */
  reserve(request: BudgetRequest): HeldBack | undefined {
    const { directoryUrl } = request;
    const demands = demandsOf(request);
    const held =
      request.count === 0 ? [] : demands.flatMap((demand) => this.#heldBackBy(request, demand) ?? []);
    if (held.length === 0) {
      for (const demand of demands) this.#reserve(request, demand);
      return undefined;
    }
    const kinds = new Set(held.map(({ limit }) => limit));
    const waiting = demands.filter(({ kind }) => kinds.has(kind) && isTakenByOrders(kind));
    for (const demand of waiting) count(this.#waiting, directoryUrl, demand);
    return latestOf(held);
  }

  /** Takes back what this pass has reserved and not used; nothing where it has reserved none. */
  release(request: BudgetRequest | undefined): void {
    if (request === undefined) return;
    const { directoryUrl } = request;
    for (const demand of demandsOf(request)) {
      const tokens = Math.min(demand.tokens, this.#reserved.get(keyOf(directoryUrl, demand)) ?? 0);
      const limit = this.#limitOf(request, demand.kind);
      if (demand.kind === 'newOrders' && limit !== undefined) {
        this.#buckets.giveBack(directoryUrl, { ...demand, tokens }, limit);
      }
      count(this.#reserved, directoryUrl, { ...demand, tokens: -tokens });
    }
  }

  /** Counts certificates, forgets the failures of their names, and ends the CA's outage. */
  recordIssued(request: BudgetRequest): void {
    const { directoryUrl, identifiers } = request;
    const now = this.#options.now();
    for (const demand of demandsOf(request)) {
      const { kind } = demand;
      if (kind !== 'certificatesPerDomain' && kind !== 'certificatesPerNames') continue;
      const reserved = this.#reserved.get(keyOf(directoryUrl, demand)) ?? 0;
      count(this.#reserved, directoryUrl, { ...demand, tokens: -Math.min(demand.tokens, reserved) });
      // Boulder counts exempt certificates for their set of names, too.
      const limits = this.#limitsOf(directoryUrl);
      const limit = kind === 'certificatesPerNames' ? limits.limits[kind] : this.#limitOf(request, kind);
      if (limit !== undefined) this.#buckets.take(directoryUrl, demand, { limit, now });
    }
    for (const subject of validatedNames(identifiers)) {
      this.#buckets.fill(directoryUrl, { kind: 'consecutiveFailures', subject });
    }
    this.#state = withoutOutage(this.#state, directoryUrl);
  }

  /**
   * @param hasRecord an order record keeps the failure; otherwise the CA's state has to
   * @param identifiers of the order that failed
   */
  recordFailure(
    directoryUrl: string,
    error: unknown,
    hasRecord: boolean,
    identifiers: readonly string[] = [],
  ): void {
    if (error instanceof AuthorizationFailed) this.#countFailed(directoryUrl, error, identifiers);
    const isOutage = !hasRecord && concernsAll(error);
    if (isPausing(error)) this.#pauseOrRefuse(directoryUrl, error, identifiers);
    else if (isOutage) this.#noteOutage(directoryUrl, error);
  }

  recordUntrusted(directoryUrl: string): void {
    const { isTrusted: _, ...entry } = caEntryOf(this.#state, directoryUrl);
    this.#state = withCaEntry(this.#state, directoryUrl, { ...entry, untrustedAt: this.#options.now() });
  }

  /** Of a certificate that the bucket loses, nothing else tells it. In a pass, a CA is judged once. */
  recordTrust(directoryUrl: string, isTrusted: boolean): void {
    this.#judged.add(directoryUrl);
    const { isTrusted: before = false, ...entry } = caEntryOf(this.#state, directoryUrl);
    if (isTrusted === before) return;
    this.#state = withCaEntry(this.#state, directoryUrl, { ...entry, ...(isTrusted && { isTrusted }) });
  }

  isTrustJudged(directoryUrl: string): boolean {
    return this.#judged.has(directoryUrl);
  }

  isTrusted(directoryUrl: string): boolean {
    return caEntryOf(this.#state, directoryUrl).isTrusted ?? false;
  }

  /** What a pass over all certificates has held back, for `pemfleet status`. */
  recordHeld(groups: readonly HeldGroup[]): void {
    if (JSON.stringify(groups) === JSON.stringify(this.#state.held ?? [])) return;
    const { held: _, ...rest } = this.#state;
    this.#state = groups.length === 0 ? rest : { ...rest, held: [...groups] };
  }

  /** The state without what no longer counts. */
  pruned(): CaState {
    const limitOf = (url: string, kind: LimitKind) => this.#limitsOf(url).limits[kind];
    return pruned(this.state, limitOf, this.#options.now());
  }

  /** Writes the document if it has changed, without what no longer counts. */
  async save(): Promise<void> {
    const [state, changes] = [this.#state, this.#buckets.changes];
    if (state === this.#saved && changes === this.#savedChanges) return;
    await writeCaState(this.#options.bucket, this.pruned());
    this.#saved = state;
    this.#savedChanges = changes;
  }

  #limitsOf(directoryUrl: string): CaLimits {
    const limits = this.#limits.get(directoryUrl) ?? limitsOf(this.#options.config ?? {}, directoryUrl);
    this.#limits.set(directoryUrl, limits);
    return limits;
  }

  /** Undefined where the CA has no such limit, or does not hold it against this request. */
  #limitOf(request: BudgetRequest, kind: LimitKind): Limit | undefined {
    const limits = this.#limitsOf(request.directoryUrl);
    return isExempt(limits, request, kind) ? undefined : limits.limits[kind];
  }

  #heldBackBy(request: BudgetRequest, demand: Demand): HeldBack | undefined {
    const { directoryUrl, isEmergency = false } = request;
    const limit = this.#limitOf(request, demand.kind);
    if (limit === undefined || (isEmergency && demand.kind !== 'consecutiveFailures')) return undefined;
    const now = this.#options.now();
    const key = keyOf(directoryUrl, demand);
    const fullAt = this.#buckets.fullAt(directoryUrl, demand, limit);
    // Orders were taken from their bucket when they were reserved.
    const reserved = demand.kind === 'newOrders' ? 0 : (this.#reserved.get(key) ?? 0);
    const wanted = Math.min(demand.tokens, limit.count) + reserved;
    const needed = wanted + marginOf(demand.kind, limit);
    if (demand.tokens === 0 || tokensIn(limit, fullAt, now) >= needed) return undefined;
    const until = roomAt(limit, fullAt, needed + (this.#waiting.get(key) ?? 0), now);
    return heldBackBy(directoryUrl, demand, limit, until);
  }

  #reserve(request: BudgetRequest, demand: Demand): void {
    const { directoryUrl } = request;
    const limit = this.#limitOf(request, demand.kind);
    if (limit === undefined || !isTakenByOrders(demand.kind)) return;
    count(this.#reserved, directoryUrl, demand);
    if (demand.kind !== 'newOrders') return;
    this.#buckets.take(directoryUrl, demand, { limit, now: this.#options.now() });
  }

  /** Names that were not validated: the CA counts them by the hour, and in a row. */
  #countFailed(directoryUrl: string, error: AuthorizationFailed, identifiers: readonly string[]): void {
    const { limits } = this.#limitsOf(directoryUrl);
    const now = this.#options.now();
    const failed = validatedNames(identifiers).filter((name) => isFailedBy(error, name));
    for (const kind of ['failedValidations', 'consecutiveFailures'] as const) {
      const limit = limits[kind];
      if (limit === undefined) continue;
      for (const subject of failed) {
        this.#buckets.take(directoryUrl, { kind, subject, tokens: 1 }, { limit, now });
      }
    }
  }

  #pauseOrRefuse(directoryUrl: string, error: AcmeProblem, identifiers: readonly string[]): void {
    const refusal = refusalOf(error, { directoryUrl, identifiers }, this.#options.now());
    if (refusal === undefined) this.#pause(directoryUrl, error);
    else this.#refuse(directoryUrl, refusal, error);
  }

  #refuse(directoryUrl: string, { kind, subjects, until }: LimitRefusal, error: AcmeProblem): void {
    const entry = caEntryOf(this.#state, directoryUrl);
    const times = Object.fromEntries(subjects.map((subject) => [subject, until]));
    const refused = { ...entry.refused, [kind]: { ...entry.refused?.[kind], ...times } };
    this.#state = withCaEntry(this.#state, directoryUrl, { ...entry, refused });
    const of = kind === 'certificatesPerNames' || kind === 'newOrders' ? undefined : subjects;
    const fields = { directory: directoryUrl, limit: kind, of, until: until.toISOString() };
    this.#options.log('ca.refused', { ...fields, error: messageOf(error) });
  }

  #pause(directoryUrl: string, error: AcmeProblem): void {
    const now = this.#options.now();
    const until = this.pausedUntil(directoryUrl);
    // Certificates that were under way together count as one.
    if (until !== undefined) return;
    this.#state = withPause(this.#state, directoryUrl, error, now);
    this.#log('ca.paused', directoryUrl, this.pausedUntil(directoryUrl), error);
  }

  #noteOutage(directoryUrl: string, error: unknown): void {
    const before = this.#state;
    this.#state = withOutage(before, directoryUrl, this.#begin, this.#options.now());
    if (this.#state !== before) {
      this.#log('ca.unreachable', directoryUrl, this.avoidedUntil(directoryUrl), error);
    }
  }

  #log(
    event: 'ca.paused' | 'ca.unreachable',
    directory: string,
    until: Date | undefined,
    error: unknown,
  ): void {
    this.#options.log(event, { directory, until: until?.toISOString(), error: messageOf(error) });
  }
}

/** Orders and certificates take from these; from the others, failures do. */
function isTakenByOrders(kind: LimitKind): boolean {
  return kind === 'newOrders' || kind === 'certificatesPerDomain' || kind === 'certificatesPerNames';
}

/**
 * Beyond half of the failures that pause a name until somebody calls the CA, one that still fails is tried only as often as the CA forgives:
 * Let's Encrypt, once a day.
 */
function marginOf(kind: LimitKind, limit: Limit): number {
  return kind === 'consecutiveFailures' ? Math.floor(limit.count / 2) : 0;
}

function isFailedBy(error: AuthorizationFailed, name: string): boolean {
  if (error instanceof AuthorizationsFailed) return error.failures.some((one) => isFailedBy(one, name));
  return error.identifier === name || error.identifier === `*.${name}`;
}

function count(counts: Map<string, number>, directoryUrl: string, demand: Demand): void {
  const key = keyOf(directoryUrl, demand);
  counts.set(key, (counts.get(key) ?? 0) + demand.tokens);
}

function keyOf(directoryUrl: string, { kind, subject }: Omit<Demand, 'tokens'>): string {
  return `${directoryUrl} ${kind} ${subject}`;
}

function latestOf(all: readonly HeldBack[]): HeldBack | undefined {
  return all.reduce<HeldBack | undefined>(
    (latest, one) => (latest === undefined || one.until > latest.until ? one : latest),
    undefined,
  );
}
