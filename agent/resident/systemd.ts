/**
 * sd_notify messages of the resident agent: READY=1 after the first pass, STATUS= after each; the watchdog is fed while
 * the loop makes progress. A pass that logs nothing for ten minutes counts as stuck, and systemd restarts the agent.
 */
import { MINUTE_MS } from '#common/time.ts';
import type { Log } from '../log.ts';
import type { PollOutcome } from './loop.ts';
import type { SdNotifier } from './sd-notify.ts';

const STUCK_MS = 10 * MINUTE_MS;

export interface SystemdOptions {
  notifier: SdNotifier;
  /** systemd's `WATCHDOG_USEC`, in microseconds. */
  watchdogUsec: string | undefined;
  now: () => Date;
  /** CLOCK_MONOTONIC in nanoseconds. */
  monotonic: () => bigint;
}

export class SystemdNotifications {
  readonly #notifier: SdNotifier;
  readonly #now: () => Date;
  readonly #monotonic: () => bigint;
  readonly #watchdog: NodeJS.Timeout | undefined;
  #isSleeping = false;
  #isStopping = false;
  #progressAt: number;

  constructor({ notifier, watchdogUsec, now, monotonic }: SystemdOptions) {
    this.#notifier = notifier;
    this.#now = now;
    this.#monotonic = monotonic;
    this.#progressAt = now().getTime();
    // Twice in WatchdogSec, as sd_watchdog_enabled(3) recommends.
    const everyMs = Number(watchdogUsec) / 2000;
    if (everyMs > 0) this.#watchdog = setInterval(() => this.#feedWatchdog(), everyMs).unref();
  }

  /** Wraps `log`, so that each event counts as progress. */
  watchLog(log: Log): Log {
    return (event, fields) => {
      this.#noteProgress();
      log(event, fields);
    };
  }

  announcePoll(outcome: PollOutcome): void {
    if (!this.#isStopping) this.#notifier.send('READY=1', `STATUS=${statusLine(outcome)}`);
  }

  /** `Type=notify-reload` wants to know when the reload began (sd_notify(3)). */
  announceReload(): void {
    this.#notifier.send('RELOADING=1', `MONOTONIC_USEC=${this.#monotonic() / 1000n}`);
  }

  announceStop(): void {
    this.#isStopping = true;
    this.#notifier.send('STOPPING=1');
  }

  /** Feeds the watchdog until `endSleep`, although nothing happens meanwhile. */
  beginSleep(): void {
    this.#isSleeping = true;
  }

  endSleep(): void {
    this.#isSleeping = false;
    this.#noteProgress();
  }

  /** Stops feeding the watchdog. Resolves when systemd has read all messages. */
  close(): Promise<void> {
    clearInterval(this.#watchdog);
    return this.#notifier.flush();
  }

  #noteProgress(): void {
    this.#progressAt = this.#now().getTime();
  }

  #feedWatchdog(): void {
    const isAlive = this.#isSleeping || this.#now().getTime() - this.#progressAt < STUCK_MS;
    if (isAlive) this.#notifier.send('WATCHDOG=1');
  }
}

/** `12 served, 1 pending`, behind the code of an error that affects the whole host. */
function statusLine({ status, code }: PollOutcome): string {
  const files = status?.files ?? [];
  const count = (state: string) => files.filter((file) => file.state === state).length;
  const states = ['served', 'failed', 'pending', 'needs-reload'].map((state) => `${count(state)} ${state}`);
  const shown = states.filter((text, index) => index === 0 || !text.startsWith('0 '));
  return [...(code === undefined ? [] : [code]), shown.join(', ')].join('; ');
}
