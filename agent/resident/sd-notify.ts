/**
 * sd_notify(3) by systemd's own systemd-notify: Node opens no Unix datagram socket, and neither a bundle nor a single
 * executable can carry the native packages that do. Each message costs one short process (10 ms of CPU), at start, at
 * stop and twice in WatchdogSec; the process waits until systemd has read the message.
 */
import { execFile } from 'node:child_process';
import { messageOf } from '#contract/errors.ts';
import type { Log } from '../log.ts';

export interface SdNotifier {
  /** Queues one message with these assignments: `READY=1`, `STATUS=…`. */
  send: (...assignments: string[]) => void;
  /** Resolves when systemd has read all messages. */
  flush: () => Promise<void>;
}

/** @param socket `NOTIFY_SOCKET`; without it, that is without systemd, messages go nowhere */
export function openSdNotifier(socket: string | undefined, log: Log): SdNotifier {
  let queue = Promise.resolve();
  const send = (assignments: readonly string[]) =>
    new Promise<void>((resolve) => {
      const env = { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: socket };
      execFile('systemd-notify', [...assignments], { env, timeout: 10_000 }, (error) => {
        if (error !== null) log('notify.failed', { message: messageOf(error) });
        resolve();
      });
    });
  return {
    send: (...assignments) => {
      if (socket !== undefined) queue = queue.then(() => send(assignments));
    },
    flush: () => queue,
  };
}
