/**
 * Takes one leg of an order record to a verified combined PEM. Every step first asks the CA how far the order is, so
 * the next pass continues a pass that was killed anywhere, with the same key and the same order.
 */
import { isIP } from 'node:net';
import { assemble, type CombinedPem, verify } from '#contract/combined-pem.ts';
import { listOrders } from '../acme/account.ts';
import { downloadChain } from '../acme/chain.ts';
import type { AcmeClient } from '../acme/client.ts';
import { finalize, getOrder, newOrder, type Order, waitOrder } from '../acme/order.ts';
import type { Timing } from '../acme/poll.ts';
import { AcmeProblem, AuthorizationFailed, type Identifier, NoAcmeAnswer } from '../acme/problem.ts';
import type { CaAccount } from '../ca/ca.ts';
import { exactSet } from '../config/identifier.ts';
import type { Pass } from '../pass.ts';
import { authorize, cleanUp } from './authorize.ts';
import { checkOnlyOrdered } from './leaf-names.ts';
import type { OrderLeg } from './leg.ts';

export interface Obtained {
  /** Canonical and verified. */
  text: string;
  pem: CombinedPem;
}

/** @param claimedOrders URLs of orders that belong to a certificate: none is adopted twice */
export async function obtain(
  pass: Pass,
  { client, settings }: CaAccount,
  leg: OrderLeg,
  claimedOrders: Set<string>,
): Promise<Obtained> {
  const { preferredChain } = settings;
  const order = await openOrder(pass, client, leg, claimedOrders);
  const { url, certificate } = await complete(pass, client, leg, order);
  if (certificate === undefined) throw new NoAcmeAnswer(`order ${url} is valid without a certificate`);
  const chain = await downloadChain(client, certificate, preferredChain);
  if (!chain.isPreferred) pass.log('chain.not-offered', { certificate: leg.certificate, preferredChain });
  const text = assemble(chain.pems, leg.key);
  const expected = { identifiers: leg.record.identifiers, keyType: leg.keyType };
  const pem = verify(text, expected, pass.timing.now());
  checkOnlyOrdered(pem, leg.record.identifiers, settings);
  return { text, pem };
}

/** The order that the leg names, one that an earlier pass lost, or a new one: saved in the record before it is driven. */
async function openOrder(
  { log }: Pass,
  client: AcmeClient,
  leg: OrderLeg,
  claimedOrders: Set<string>,
): Promise<Order> {
  const { certificate, orderUrl } = leg;
  const named = orderUrl === undefined ? undefined : await getOrder(client, orderUrl);
  if (named !== undefined && named.status !== 'invalid') {
    log('order.resumed', { certificate, order: named.url, status: named.status });
    return named;
  }
  if (orderUrl !== undefined) {
    log('order.abandoned', { certificate, order: orderUrl, status: named?.status ?? 'gone' });
  }
  const mayBeLost = leg.isResumed && orderUrl === undefined;
  const adopted = mayBeLost ? await findLostOrder(client, leg, claimedOrders) : undefined;
  const order = adopted ?? (await requestOrder(client, leg, claimedOrders));
  claimedOrders.add(order.url);
  await leg.save({ orderUrl: order.url });
  const event = adopted === undefined ? 'order.created' : 'order.resumed';
  log(event, { certificate, order: order.url, status: order.status, replaces: order.replaces });
  return order;
}

/**
 * A pass that dies between newOrder and the record's update leaves an order that no record names. Let's Encrypt hands
 * it out again on newOrder; at other CAs the account's list of orders (RFC 8555 §7.1.2.1) has it.
 */
async function findLostOrder(
  client: AcmeClient,
  leg: OrderLeg,
  claimedOrders: ReadonlySet<string>,
): Promise<Order | undefined> {
  const wanted = exactSet(leg.record.identifiers);
  for (const url of (await listOrders(client)).reverse()) {
    if (claimedOrders.has(url)) continue;
    const order = await getOrder(client, url);
    const isOpen = order?.status === 'pending' || order?.status === 'ready';
    if (!isOpen) continue;
    const names = exactSet(order.identifiers.map((identifier) => identifier.value));
    // Asked again: another certificate may have adopted it meanwhile.
    if (names === wanted && !claimedOrders.has(url)) return order;
  }
  return undefined;
}

async function requestOrder(
  client: AcmeClient,
  leg: OrderLeg,
  claimedOrders: ReadonlySet<string>,
): Promise<Order> {
  const { failures, identifiers, profile } = leg.record;
  const { replaces } = leg;
  const request = { identifiers: identifiers.map(identifierOf), profile };
  const isReplacing = replaces !== undefined && client.directory.renewalInfo !== undefined && failures < 2;
  if (!isReplacing) return newOrder(client, request);
  try {
    return await newOrder(client, { ...request, replaces });
  } catch (error) {
    if (!isReplacesRefused(error)) throw error;
    // RFC 9773 §5: an order that replaces it exists already. If it is ours and open, it is resumed (Let's Encrypt
    // hands it out again); else an order without `replaces` still gives the certificate.
    return (await findLostOrder(client, leg, claimedOrders)) ?? newOrder(client, request);
  }
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

/** Proves control of the names, finalizes, and waits for the certificate. @throws AuthorizationFailed */
async function complete(pass: Pass, client: AcmeClient, leg: OrderLeg, opened: Order): Promise<Order> {
  const { timing } = pass;
  let order = opened;
  if (order.status === 'pending') await authorize(pass, client, leg, order);
  else await cleanUp(pass, leg.certificate, leg.presented);
  if (order.status === 'pending' || order.status === 'ready') {
    order = (await finalize(client, order, leg.key)) ?? (await finalizeLater(client, order, leg.key, timing));
  }
  // `ready` after finalize is a lagging replica (RFC 8555 §7.4): polled on like `processing`.
  if (order.status !== 'valid' && order.status !== 'invalid') {
    order = await waitOrder(client, order.url, ['valid'], timing);
  }
  if (order.status === 'valid') return order;
  throw new AuthorizationFailed(leg.record.identifiers.join(', '), 'the order is invalid', order.error);
}

async function finalizeLater(client: AcmeClient, order: Order, key: string, timing: Timing): Promise<Order> {
  const ready = await waitOrder(client, order.url, ['ready', 'processing', 'valid'], timing);
  return ready.status === 'ready' ? ((await finalize(client, ready, key)) ?? ready) : ready;
}
