/** The proofs of one HAProxy's files, in memory: of the resident agent between polls, of a single pass until it ends. */
import { MINUTE_MS } from '#common/time.ts';
import { ProofPace } from './pace.ts';
import type { Attempt, DeadBind, FileProofs, Handshakes, ProofRule, Standing, Unproven } from './record.ts';

export interface Proofs {
  files: Map<string, FileProofs>;
  deadBinds: Map<string, DeadBind>;
  /** By file: how many proofs have gone well, which decides the names that the next one asks for. */
  turns?: Map<string, number>;
}

export class KnownProofs {
  /** Of the agent, which may have proofs of several HAProxy. */
  pace = new ProofPace();
  readonly #files: Map<string, FileProofs>;
  readonly #deadBinds: Map<string, DeadBind>;
  readonly #distrusted = new Set<string>();
  readonly #contested = new Map<string, string>();
  readonly #turns: Map<string, number>;
  /** Their handshakes are of an agent before this one, which may be of another version. */
  readonly #inherited = new Set<string>();
  #isChanged = false;
  /** Addresses, each with a reason why nothing can be proved there: those that a pass knows of. */
  #reasons = new Set<string>();
  #hasNews = false;

  constructor({ files, deadBinds, turns = new Map() }: Proofs = { files: new Map(), deadBinds: new Map() }) {
    this.#files = files;
    this.#deadBinds = deadBinds;
    this.#turns = turns;
    this.clearNews();
  }

  /** Whether an address has stopped answering, answers again, or cannot be asked for another reason: a pass reports it. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** What an agent before this one has shown stays known, and is due again: this one has yet to show that it can. */
  inherit(): void {
    for (const file of this.#files.keys()) this.#inherited.add(file);
    // Each is tried at once.
    for (const [address, dead] of this.#deadBinds) this.#deadBinds.set(address, { ...dead, attempt: NEVER });
  }

  /** A pass has all of it. */
  clearNews(): void {
    const all = [...this.#files.values()].flatMap(({ unproven }) => [...unproven.values()]);
    this.#reasons = new Set(all.map(reasonKey));
    this.#hasNews = false;
  }

  get proofs(): Readonly<Required<Proofs>> {
    return { files: this.#files, deadBinds: this.#deadBinds, turns: this.#turns };
  }

  get deadBinds(): readonly DeadBind[] {
    return [...this.#deadBinds.values()];
  }

  /** @returns undefined for another content of the file */
  of(file: string, sha256: string): FileProofs | undefined {
    const known = this.#files.get(file);
    return known?.sha256 === sha256 ? known : undefined;
  }

  /** Whether the last handshakes have shown it at an address: an older proof need not be true any more. */
  wasShown(file: string, sha256: string): boolean {
    const { attempt, proofs } = this.of(file, sha256) ?? {};
    return attempt !== undefined && [...(proofs?.values() ?? [])].some(({ at }) => at === attempt.at);
  }

  /** Where a name has shown something else, the next proof asks for it again. */
  turnOf(file: string): number {
    return this.#turns.get(file) ?? 0;
  }

  /** What handshakes have just shown. */
  note(file: string, sha256: string, { proved, unproven }: Handshakes, attempt: Attempt): void {
    const before = this.of(file, sha256);
    const proofs = new Map(before?.proofs);
    for (const address of proved) proofs.set(address, attempt);
    const reasons = new Map<string, Unproven & { since: number }>();
    for (const one of unproven) {
      const known = before?.unproven.get(one.address);
      const isSame = known?.reason === one.reason && known.since <= attempt.at;
      reasons.set(one.address, { ...one, since: isSame ? known.since : attempt.at });
      // Of an address that does not answer, its own entry tells.
      this.#hasNews ||= one.reason !== 'unreachable' && !this.#reasons.has(reasonKey(one));
    }
    this.#files.set(file, { sha256, attempt, proofs, unproven: reasons });
    this.#inherited.delete(file);
    if (proved.length > 0) this.#turns.set(file, (this.turnOf(file) + 1) % MAX_TURN);
    this.#distrusted.delete(file);
    this.#isChanged = true;
  }

  /** The wire has shown something else: what it showed before counts no more. */
  drop(file: string): void {
    this.#isChanged = this.#files.delete(file) || this.#isChanged;
    this.#inherited.delete(file);
  }

  /** Something is odd about a file: an ordinary pass is to prove it, whatever was proved before. */
  distrust(file: string): void {
    this.#distrusted.add(file);
  }

  /** Files of others have these names of it, too: a proof that did not ask for them counts no more. */
  contest(file: string, names: readonly string[] = []): void {
    const text = names.join();
    if (text !== (this.#contested.get(file) ?? '')) this.distrust(file);
    if (text === '') this.#contested.delete(file);
    else this.#contested.set(file, text);
  }

  /** A pass has found out. */
  trust(file: string): void {
    this.#distrusted.delete(file);
  }

  isDistrusted(file: string): boolean {
    return this.#distrusted.has(file);
  }

  get distrusted(): ReadonlySet<string> {
    return this.#distrusted;
  }

  /** The files of the host are these. */
  retain(files: ReadonlySet<string>): void {
    for (const file of this.#files.keys()) if (!files.has(file)) this.drop(file);
    for (const file of this.#turns.keys()) if (!files.has(file)) this.#turns.delete(file);
    for (const file of this.#distrusted) if (!files.has(file)) this.#distrusted.delete(file);
  }

  standingOf(file: string, sha256: string, rule: ProofRule): Standing {
    if (rule.addresses.length === 0) return 'fresh';
    const known = this.of(file, sha256);
    if (known === undefined || this.#distrusted.has(file)) return 'none';
    const { attempt, proofs, unproven } = known;
    if (rule.addresses.some((address) => !proofs.has(address) && !unproven.has(address))) return 'none';
    if (isOfOtherWorker(attempt, rule.pid)) return 'other-worker';
    return isFresh(attempt, rule) && !this.#inherited.has(file) ? 'fresh' : 'aged';
  }

  /** @returns undefined where the bind answered the last time, or is to be tried again: another worker may have it, or a minute is over */
  deadBind(address: string, { at, pid }: Attempt): DeadBind | undefined {
    const dead = this.#deadBinds.get(address);
    if (dead === undefined || isOfOtherWorker(dead.attempt, pid)) return undefined;
    return isFresh(dead.attempt, { now: at, maxAgeMs: MINUTE_MS }) ? dead : undefined;
  }

  /** @returns why nothing is proved there */
  noteDead(address: string, message: string, attempt: Attempt): DeadBind {
    const known = this.#deadBinds.get(address);
    const since = known !== undefined && known.since <= attempt.at ? known.since : attempt.at;
    const dead = { address, message, since, attempt };
    this.#deadBinds.set(address, dead);
    this.#isChanged = true;
    this.#hasNews ||= known === undefined;
    return dead;
  }

  /** What was not proved for its silence is due at once. */
  noteAlive(address: string): void {
    if (!this.#deadBinds.delete(address)) return;
    this.#isChanged = true;
    this.#hasNews = true;
    for (const [file, { sha256, proofs, unproven }] of this.#files) {
      if (unproven.get(address)?.reason !== 'unreachable') continue;
      const others = new Map([...unproven].filter(([other]) => other !== address));
      if (proofs.size + others.size === 0) this.#files.delete(file);
      else this.#files.set(file, { sha256, attempt: NEVER, proofs, unproven: others });
    }
  }

  /** Addresses that are configured no more are nobody's concern. */
  retainBinds(addresses: readonly string[]): void {
    for (const address of this.#deadBinds.keys()) if (!addresses.includes(address)) this.noteAlive(address);
  }

  /** @returns whether anything has changed since the last call */
  takeChange(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }
}

/** A multiple of all small numbers of turns. */
const MAX_TURN = 720_720;

const NEVER: Attempt = { at: 0, pid: undefined };

const reasonKey = ({ address, reason }: Unproven) => `${address} ${reason}`;

function isOfOtherWorker(attempt: Attempt, pid: number | undefined): boolean {
  return pid !== undefined && attempt.pid !== pid;
}

/** A proof of the future was made while the clock was ahead. */
function isFresh({ at }: Attempt, { now, maxAgeMs }: Pick<ProofRule, 'now' | 'maxAgeMs'>): boolean {
  return at <= now && now - at < maxAgeMs;
}
