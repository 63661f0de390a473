/**
 * Updates share HAProxy's threads with its visitors, who notice a thousand updates without a pause where each takes a
 * thread for milliseconds (2.6 with OpenSSL 3.0: 2.5 ms; 3.x: 0.5). There the agent spreads them out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostView } from '../agent.ts';
import { type Action, isLoading } from '../deploy/action.ts';

/** To await before each action. */
export type Pace = (action: Action) => Promise<void>;

export function pacer(
  { config, haproxy, now }: Pick<HostView, 'config' | 'haproxy' | 'now'>,
  pause: (ms: number) => Promise<unknown> = sleep,
): Pace {
  const perSecond = haproxy === undefined ? 0 : (config.haproxy.pace ?? haproxy.capabilities.pace);
  if (perSecond === 0) return async () => undefined;
  const everyMs = 1000 / perSecond;
  let lastAt: number | undefined;
  return async (action) => {
    if (!isLoading(action)) return;
    const leftMs = lastAt === undefined ? 0 : lastAt + everyMs - now().getTime();
    // At most one interval, so that a clock that was set back delays nothing.
    if (leftMs > 0) await pause(Math.min(leftMs, everyMs));
    lastAt = now().getTime();
  };
}
