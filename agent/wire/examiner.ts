/** Examines the wrong wires of a pass, a few of them, each once: what an earlier pass has found out about it is said again. */

import { HOUR_MS } from '#common/time.ts';
import type { HostStatus, Wire } from '#contract/host-status.ts';
import type { HandshakeFailed } from '../errors.ts';
import type { Runtime } from '../haproxy/runtime.ts';
import type { HaproxyView } from '../haproxy/view.ts';
import { examineWire, isWrongWire } from './finding.ts';
import { type Listeners, listenersOn } from './listeners.ts';
import { OriginFinder } from './origin.ts';
import { type Sampling, sampleWire } from './samples.ts';

/** A finding, as the last host status has it. */
export interface KnownWire {
  /** SHA-256 of the PEM that was wanted. */
  sha256: string;
  wire: Wire;
  message: string;
}

/** What the last host status says of wrong wires, by file. */
export function knownWiresOf(status: Pick<HostStatus, 'files'> | undefined): Map<string, KnownWire> {
  return new Map(
    status?.files.flatMap(({ file, wanted: { sha256 }, wire, error }) =>
      wire === undefined || error === undefined ? [] : [[file, { sha256, wire, message: error.message }]],
    ),
  );
}

interface PassSources {
  runtime: Runtime;
  haproxy: HaproxyView | undefined;
  certsDir: string;
  /** By file. */
  known: ReadonlyMap<string, KnownWire>;
  /** Whether a handshake between polls has shown something else. */
  isDistrusted: (file: string) => boolean;
  now: () => Date;
}

type ExaminedFile = Readonly<{ file: string; sha256: string }>;

/** Rounds of twenty handshakes in one pass: a second process on an address is one fault of many certificates. */
const MAX_ROUNDS = 10;
/** A process may have gone since, and another come. */
const KNOWN_FOR_MS = HOUR_MS;

export class WireExaminer {
  readonly #sources: PassSources;
  readonly #finder: OriginFinder;
  readonly #listeners = new Map<string, Promise<Listeners>>();
  #rounds = 0;

  constructor(sources: PassSources) {
    this.#sources = sources;
    this.#finder = new OriginFinder(sources);
  }

  /** @returns the failure, with what is known about it */
  async examine(
    error: HandshakeFailed,
    { file, sha256 }: ExaminedFile,
    sampling: Sampling,
  ): Promise<HandshakeFailed> {
    if (!isWrongWire(error) || error.wire !== undefined) return error;
    const known = this.#sources.known.get(file);
    if (known?.sha256 === sha256 && this.#isSame(known.wire, error)) {
      return error.withWire(known.wire, '', known.message);
    }
    if (!this.#takeRound()) return error;
    const listenersOn = (address: string) => this.#listenersOn(address);
    const { now } = this.#sources;
    return examineWire(error, sampling, { finder: this.#finder, listenersOn, now: now() });
  }

  /**
   * One handshake is no proof where others have shown something else a short while ago: of two processes on one address, it may have
   * met the right one.
   * @throws HandshakeFailed with what is known about it
   */
  async confirm(subject: ExaminedFile, sampling: Sampling): Promise<void> {
    if (!this.#isInDoubt(subject, sampling) || !this.#takeRound()) return;
    const { failure } = await sampleWire(sampling, undefined);
    if (failure === undefined) return;
    this.#rounds -= 1;
    throw await this.examine(failure, subject, sampling);
  }

  #isInDoubt({ file, sha256 }: ExaminedFile, { target }: Sampling): boolean {
    const known = this.#sources.known.get(file);
    const wasSometimes =
      known?.sha256 === sha256 &&
      known.wire.address === target.address &&
      known.wire.wrong < known.wire.samples;
    return wasSometimes || this.#sources.isDistrusted(file);
  }

  #isSame({ address, name, serial, at = '' }: Wire, error: HandshakeFailed): boolean {
    const ageMs = this.#sources.now().getTime() - Date.parse(at);
    const isRecent = ageMs >= 0 && ageMs < KNOWN_FOR_MS;
    return isRecent && address === error.address && name === error.servername && serial === error.serial;
  }

  /** To read all of /proc takes longer than the handshakes do: once an address. */
  #listenersOn(address: string): Promise<Listeners> {
    const known = this.#listeners.get(address) ?? listenersOn(address, this.#sources.haproxy?.process.pid);
    this.#listeners.set(address, known);
    return known;
  }

  #takeRound(): boolean {
    if (this.#rounds >= MAX_ROUNDS) return false;
    this.#rounds += 1;
    return true;
  }
}
