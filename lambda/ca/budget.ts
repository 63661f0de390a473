/** What pemfleet allows itself at each CA during a pass: what its limits leave (reservations.ts), pauses, refusals and outages. */

import { isWaitingUntil } from '#common/clock.ts';
import { messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { concernsAll } from '../acme/fault.ts';
import { type AcmeProblem, AuthorizationFailed, AuthorizationsFailed } from '../acme/problem.ts';
import { type CaLimits, LIMIT_KINDS, type Limit, type LimitKind } from '../config/limits.ts';
import type { Log } from '../log.ts';
import { Buckets, pruned } from './buckets.ts';
import { type BudgetRequest, isExempt, validatedNames } from './demands.ts';
import { type HeldBack, heldBackBy, latestOf } from './held-back.ts';
import { type LimitConfig, limitsByUrl } from './limits.ts';
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
import { type Reservation, Reservations } from './reservations.ts';
import {
  type CaState,
  caEntryOf,
  type HeldGroup,
  hasIssuedUntrusted,
  readCaState,
  withCaEntry,
  writeCaState,
} from './state.ts';

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
  readonly #limits: (directoryUrl: string) => CaLimits;
  readonly #buckets: Buckets;
  readonly #reservations: Reservations;
  /** CAs whose certificates were held against what browsers trust. */
  readonly #judged = new Set<string>();
  #state: CaState;
  #saved: CaState;
  #savedChanges = 0;

  constructor(options: CaBudgetOptions, state: CaState) {
    this.#options = options;
    this.#begin = options.now();
    this.#limits = limitsByUrl(options.config ?? {});
    this.#buckets = new Buckets(state);
    this.#reservations = new Reservations(this.#buckets, this.#limits, options.now);
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

  /** Limits by which the CA has refused what concerns this request; undefined if the CA may be asked. */
  refusedBy(request: BudgetRequest): HeldBack | undefined {
    const { directoryUrl } = request;
    const { refused = {} } = caEntryOf(this.#state, directoryUrl);
    const limits = this.#limits(directoryUrl);
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
    return this.#limits(directoryUrl).limits.certificatesPerDomain;
  }

  /** Before an order; `release` ends what it reserves. */
  reserve(request: BudgetRequest): Reservation {
    return this.#reservations.reserve(request);
  }

  /** @param placed orders that the CA has given out since; the others are given back. A second time it does nothing */
  release(reservation: Reservation | undefined, placed = 0): void {
    this.#reservations.release(reservation, placed);
  }

  /** Counts certificates, forgets the failures of their names, and ends the CA's outage. */
  recordIssued(request: BudgetRequest): void {
    this.#reservations.recordIssued(request);
    this.#state = withoutOutage(this.#state, request.directoryUrl);
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
    if (error instanceof AuthorizationFailed) {
      this.#reservations.recordFailed(directoryUrl, namesFailed(error, identifiers));
    }
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
    const limitOf = (url: string, kind: LimitKind) => this.#limits(url).limits[kind];
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

/** Names of the order that were not validated. */
function namesFailed(error: AuthorizationFailed, identifiers: readonly string[]): string[] {
  return validatedNames(identifiers).filter((name) => isFailedBy(error, name));
}

function isFailedBy(error: AuthorizationFailed, name: string): boolean {
  if (error instanceof AuthorizationsFailed) return error.failures.some((one) => isFailedBy(one, name));
  return error.identifier === name || error.identifier === `*.${name}`;
}
