/**
 * What systemd hears of the resident agent: ready after the first pass, a status line of each pass, reloading
 * on SIGHUP, stopping. The watchdog is fed only while the loop goes on: a pass in which nothing has happened
 * for ten minutes counts as stuck, and systemd starts the agent anew.
 */
import type { Log } from '../log.ts';
import type { PollOutcome } from './loop.ts';
import type { SdNotifier } from './sd-notify.ts';

const STUCK_MS = 600_000;

export interface SystemdOptions {
  notifier: SdNotifier;
  /** Microseconds, as systemd's `WATCHDOG_USEC` has it. */
  watchdogUsec: string | undefined;
  now: () => Date;
  /** CLOCK_MONOTONIC in nanoseconds. */
  monotonic: () => bigint;
}

export interface SystemdNotifications {
  /** Wraps the log: an event is a sign of life. */
  listen: (log: Log) => Log;
  turned: (end: PollOutcome) => void;
  /** The loop sleeps now. */
  resting: () => void;
  polling: () => void;
  reloading: () => void;
  stopping: () => void;
  /** Stops feeding the watchdog. */
  end: () => Promise<void>;
}

export function systemdNotifications({
  notifier,
  watchdogUsec,
  now,
  monotonic,
}: SystemdOptions): SystemdNotifications {
  let isResting = false;
  let isStopping = false;
  let lastSignAt = now().getTime();
  const isAlive = () => isResting || now().getTime() - lastSignAt < STUCK_MS;
  const feed = () => isAlive() && notifier.send('WATCHDOG=1');
  const everyMs = Number(watchdogUsec) / 2000;
  const timer = everyMs > 0 ? setInterval(feed, everyMs).unref() : undefined;
  const sign = () => {
    lastSignAt = now().getTime();
  };
  return {
    listen: (log) => (event, fields) => {
      sign();
      log(event, fields);
    },
    turned: (end) => {
      if (!isStopping) notifier.send('READY=1', `STATUS=${statusLine(end)}`);
    },
    resting: () => {
      isResting = true;
    },
    polling: () => {
      isResting = false;
      sign();
    },
    // Type=notify-reload wants to know when it began (sd_notify(3))
    reloading: () => notifier.send('RELOADING=1', `MONOTONIC_USEC=${monotonic() / 1000n}`),
    stopping: () => {
      isStopping = true;
      notifier.send('STOPPING=1');
    },
    end: () => {
      clearInterval(timer);
      return notifier.settled();
    },
  };
}

export function statusLine({ status, code }: PollOutcome): string {
  const files = status?.files ?? [];
  const count = (wanted: string) => files.filter(({ state }) => state === wanted).length;
  const states = ['served', 'failed', 'pending', 'needs-reload'].map((state) => `${count(state)} ${state}`);
  const shown = states.filter((text, index) => index === 0 || !text.startsWith('0 '));
  return [...(code === undefined ? [] : [code]), shown.join(', ')].join('; ');
}
