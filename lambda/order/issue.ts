/** From an order whose names are proven to its certificate: finalize, and wait for the CA (RFC 8555 §7.4). */
import { happenedAt } from '#common/clock.ts';
import { finalize, type Order, waitOrder } from '../acme/order.ts';
import { LONGEST_SLEEP_MS, type Timing } from '../acme/poll.ts';
import { AcmeDeadline, AcmeStuck, StillProcessing } from '../acme/problem.ts';
import type { Pass } from '../pass.ts';
import type { Driven } from './open-order.ts';
import { processingEnd } from './order-end.ts';

/**
 * @returns the order as `valid` or `invalid`
 * @throws StillProcessing if the pass cannot wait until the CA has issued; AcmeStuck if nobody waits any longer
 */
export async function issue({ timing }: Pick<Pass, 'timing'>, driven: Driven, proven: Order): Promise<Order> {
  const { client, leg } = driven;
  let order = proven;
  if (order.status === 'pending' || order.status === 'ready') {
    order = (await finalize(client, order, leg.key)) ?? (await finalizeLater(driven, order, timing));
  }
  // `ready` after finalize is a lagging replica (RFC 8555 §7.4): polled on like `processing`.
  return order.status === 'valid' || order.status === 'invalid' ? order : waitIssued(driven, order, timing);
}

async function finalizeLater({ client, leg }: Driven, order: Order, timing: Timing): Promise<Order> {
  const ready = await waitOrder(client, order, ['ready', 'processing', 'valid'], timing);
  return ready.status === 'ready' ? ((await finalize(client, ready, leg.key)) ?? ready) : ready;
}

async function waitIssued(driven: Driven, seen: Order, timing: Timing): Promise<Order> {
  const { client, leg, isHurried } = driven;
  const since = happenedAt(leg.processingSince, timing.now());
  const end = processingEnd(since, isHurried);
  const deadline = end < timing.deadline ? end : timing.deadline;
  try {
    return await waitOrder(client, seen, ['valid'], { ...timing, deadline });
  } catch (error) {
    if (!(error instanceof AcmeDeadline)) throw error;
    const sleepMs = (error.retryAfter?.getTime() ?? 0) - timing.now().getTime();
    const isWaitedOut = end <= timing.deadline && (isHurried || sleepMs <= LONGEST_SLEEP_MS);
    if (isWaitedOut || end <= timing.now()) throw await giveUp(driven, since);
    if (leg.processingSince !== since) await leg.save({ processingSince: since });
    // Its Retry-After is not waited for: to ask costs one request, and the certificate may be there.
    throw new StillProcessing(error.message);
  }
}

/** The CA's fault: the next attempt places another order, at the next CA if there is one. @returns the error */
async function giveUp({ log, leg }: Driven, since: Date): Promise<AcmeStuck> {
  const { certificate, orderUrl } = leg;
  log('order.abandoned', { certificate, order: orderUrl, status: 'processing' });
  await leg.abandon();
  return new AcmeStuck(`order ${orderUrl} has been processing since ${since.toISOString()}, and is given up`);
}
