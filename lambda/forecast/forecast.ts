/**
 * What the passes of the next days will do with each certificate, if every order succeeds. Three simulations bound what is not known: each
 * certificate that does not exist yet is renewed in the middle of its window, at its start, and at its end.
 */
import { DAY_MS } from '#common/time.ts';
import { latestWakeMs } from '../config/schedule.ts';
import type { LeastRoom } from './room.ts';
import { type Open, type SimulatedOrder, type SimulationInput, simulate } from './simulation.ts';

export interface ForecastOrder extends Omit<SimulatedOrder, 'number'> {
  /** Not before, and not after, if nothing else changes. */
  earliest: Date;
  latest: Date;
  /**
   * `now`: the next pass orders it. `known`: the window that the CA has suggested, or the lifetime, of a certificate that exists. `expected`: of
   * one that is still to be issued.
   */
  basis: 'now' | 'known' | 'expected';
}

export interface Forecast {
  from: Date;
  until: Date;
  wakeMinutes: number;
  orders: ForecastOrder[];
  /** No pass orders them, or nobody can say when. */
  open: Open[];
  /** The tightest first. */
  limits: LeastRoom[];
}

/** Where the latest renewals come after the span. */
const LONGER = 1.25;

export function forecast(input: Omit<SimulationInput, 'until'>, days: number): Forecast {
  const { from, config } = input;
  const until = new Date(from.getTime() + days * DAY_MS);
  const { orders, open, room } = simulate({ ...input, until }, 1 / 2);
  const early = timesIn(simulate({ ...input, until }, 0).orders);
  const longer = new Date(from.getTime() + days * LONGER * DAY_MS + latestWakeMs(config.wakeMinutes));
  const late = timesIn(simulate({ ...input, until: longer }, 1).orders);
  const wakeMs = latestWakeMs(config.wakeMinutes);
  const bounded = orders.map(({ number, ...order }): ForecastOrder => {
    const key = keyOf({ ...order, number });
    // Passes do not come when ours do.
    const slackMs = (number + 1) * wakeMs;
    const earliest = Math.max(from.getTime(), (early.get(key) ?? order.at).getTime() - slackMs);
    const latest = (late.get(key) ?? longer).getTime() + slackMs;
    const basis = order.at <= from ? 'now' : number === 0 ? 'known' : 'expected';
    return { ...order, earliest: new Date(earliest), latest: new Date(latest), basis };
  });
  const { wakeMinutes } = config;
  return { from, until, wakeMinutes, orders: bounded, open, limits: room.least };
}

function timesIn(orders: readonly SimulatedOrder[]): ReadonlyMap<string, Date> {
  return new Map(orders.map((order) => [keyOf(order), order.at]));
}

function keyOf({ certificate, number }: Pick<SimulatedOrder, 'certificate' | 'number'>): string {
  return `${certificate} ${number}`;
}
