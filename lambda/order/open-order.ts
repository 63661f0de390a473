/** The order that a leg is driven with: the one that its record names, one that an earlier pass lost, or a new one. */

import { isIP } from 'node:net';
import { listOrders } from '../acme/account.ts';
import type { AcmeClient } from '../acme/client.ts';
import { getOrder, newOrder, type Order } from '../acme/order.ts';
import { AcmeDeadline, AcmeProblem, type Identifier, NoAcmeAnswer } from '../acme/problem.ts';
import { exactSet } from '../config/identifier.ts';
import type { Log } from '../log.ts';
import type { OrderLeg } from './leg.ts';
import { hasExpired } from './order-end.ts';
import { FAILURES_WITH_REPLACES } from './record.ts';

/** A leg at its CA, and what other certificates of the pass do there. */
export interface Driven {
  readonly log: Log;
  readonly client: AcmeClient;
  readonly leg: OrderLeg;
  /** URLs of orders that belong to a certificate: none is adopted twice. */
  readonly claimedOrders: Set<string>;
  /** An emergency, and another CA is there: this one has little time. */
  readonly isHurried: boolean;
}

/** Saved in the record before it is driven. */
export async function openOrder(driven: Driven): Promise<Order> {
  const { log, client, leg } = driven;
  const { certificate, orderUrl } = leg;
  if (orderUrl === undefined) {
    const lost = leg.mayBeLost ? await findLostOrder(driven) : undefined;
    return lost === undefined ? placeOrder(driven) : claim(driven, lost, 'order.resumed');
  }
  const named = await getOrder(client, orderUrl);
  const status = hasExpired(named, driven) ? 'expired' : (named?.status ?? 'gone');
  if (named !== undefined && status !== 'invalid' && status !== 'expired') {
    log('order.resumed', { certificate, order: named.url, status });
    return named;
  }
  return replaceOrder(driven, status);
}

/** Gives up the order of the leg, and places another one. @param status why */
export async function replaceOrder(driven: Driven, status: string): Promise<Order> {
  const { log, leg } = driven;
  log('order.abandoned', { certificate: leg.certificate, order: leg.orderUrl, status });
  return placeOrder(driven);
}

async function placeOrder(driven: Driven): Promise<Order> {
  return claim(driven, await requestOrder(driven), 'order.created');
}

async function claim(
  { log, leg, claimedOrders }: Driven,
  order: Order,
  event: 'order.created' | 'order.resumed',
): Promise<Order> {
  claimedOrders.add(order.url);
  await leg.nameOrder(order.url);
  const { status, replaces } = order;
  log(event, { certificate: leg.certificate, order: order.url, status, replaces });
  return order;
}

/** Newest first: what was lost is among them, and an account may have thousands. */
const MAX_LISTED = 100;

/**
 * A pass that dies between newOrder and the record's update leaves an order that no record names. Let's Encrypt hands it out again on
 * newOrder; elsewhere the account's list of orders (RFC 8555 §7.1.2.1) may have it. The list is a help and no more: a CA that fails
 * at it gets a new order. It is read only where the lost order is in the way, because it replaces a certificate (RFC 9773 §5):
 * smallstep 0.30 breaks an account for good whose list is read while no order is pending.
 */
async function findLostOrder({ client, leg, claimedOrders }: Driven): Promise<Order | undefined> {
  if (client.directory.renewalInfo === undefined) return undefined;
  const wanted = exactSet(leg.record.identifiers);
  const listed = (await optional(() => listOrders(client))) ?? [];
  for (const url of listed.reverse().slice(0, MAX_LISTED)) {
    if (claimedOrders.has(url) || leg.abandoned.includes(url)) continue;
    const order = await optional(() => getOrder(client, url));
    const isOpen = order?.status === 'pending' || order?.status === 'ready';
    if (!isOpen) continue;
    const names = exactSet(order.identifiers.map((identifier) => identifier.value));
    // Asked again: another certificate may have adopted it meanwhile.
    if (names === wanted && !claimedOrders.has(url)) return order;
  }
  return undefined;
}

async function optional<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const isTheCas = error instanceof AcmeProblem || error instanceof NoAcmeAnswer;
    if (!isTheCas || error instanceof AcmeDeadline) throw error;
    return undefined;
  }
}

async function requestOrder(driven: Driven): Promise<Order> {
  const { client, leg } = driven;
  const { failures, identifiers, profile } = leg.record;
  const { replaces } = leg;
  const request = { identifiers: identifiers.map(identifierOf), profile };
  if (leg.isRefused) await leg.save({ isRefused: false });
  const isReplacing =
    replaces !== undefined && client.directory.renewalInfo !== undefined && failures < FAILURES_WITH_REPLACES;
  try {
    if (!isReplacing) return await newOrder(client, request);
    return await newOrder(client, { ...request, replaces });
  } catch (error) {
    if (!isReplacing || !isReplacesRefused(error)) throw await noteRefusal(leg, error);
    // RFC 9773 §5: an order that replaces it exists already. If it is ours and open, it is resumed (Let's Encrypt
    // hands it out again); else an order without `replaces` still gives the certificate.
    return (await findLostOrder(driven)) ?? newOrder(client, request);
  }
}

/** What the CA has refused does not exist; after an error of its own, it may. @returns the error */
async function noteRefusal(leg: OrderLeg, error: unknown): Promise<unknown> {
  if (error instanceof AcmeProblem && error.status < 500) await leg.save({ isRefused: true });
  return error;
}

function identifierOf(value: string): Identifier {
  return { type: isIP(value) ? 'ip' : 'dns', value };
}

/**
 * `alreadyReplaced` is the error of RFC 9773 §7.4; older servers say `malformed` or `conflict` with status 409, and some answer
 * 500 for a predecessor that they do not know (yet). If the order was made anyway, its names find it, or newOrder hands it out again.
 */
function isReplacesRefused(error: unknown): boolean {
  if (!(error instanceof AcmeProblem)) return false;
  const isRefusal = error.type === 'malformed' && error.status < 500;
  return (
    error.type === 'alreadyReplaced' || error.status === 409 || isRefusal || error.type === 'serverInternal'
  );
}
