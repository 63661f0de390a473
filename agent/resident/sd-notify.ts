/**
 * sd_notify(3). Node opens no datagram socket of the Unix kind, and the packages that do are native code, which
 * neither a bundle nor a single executable can carry; so systemd's own systemd-notify sends the message. That
 * is one short process (10 ms of CPU) at start, stop and twice in a WatchdogSec; it waits until systemd has read.
 */
import { execFile } from 'node:child_process';
import { messageOf } from '#contract/errors.ts';
import type { Log } from '../log.ts';

export interface SdNotifier {
  /** `READY=1`, `STATUS=…`; sent one after another. */
  send: (...assignments: string[]) => void;
  /** Resolves when all is sent. */
  settled: () => Promise<void>;
}

/** Without systemd (`NOTIFY_SOCKET` is not set) nothing is sent. */
export function openNotifier(socket: string | undefined, log: Log): SdNotifier {
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
    settled: () => queue,
  };
}
