/**
 * One certificate, from a leg of its order record to a verified combined PEM. Every step looks at what the CA says
 * first, so a pass that was killed anywhere is simply continued by the next one, with the same key and the same order.
 */
import { isIP } from 'node:net';
import { assemble, type CombinedPem, verify } from '#contract/combined-pem.ts';
import { messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { listOrders } from '../acme/account.ts';
import { downloadChain } from '../acme/chain.ts';
import type { AcmeClient } from '../acme/client.ts';
import { finalize, getOrder, newOrder, type Order, type OrderRequest, waitOrder } from '../acme/order.ts';
import type { Timing } from '../acme/poll.ts';
import { AcmeProblem, AcmeUnreachable, AuthorizationFailed } from '../acme/problem.ts';
import type { ChallengeSolver } from '../challenge/solver.ts';
import { exactSet } from '../config/identifier.ts';
import type { Log } from '../log.ts';
import { authorize, cleanUp } from './authorize.ts';
import { type OrderLeg, type StoredRecord, saveLeg } from './record.ts';

export interface Issuing {
  bucket: Bucket;
  client: AcmeClient;
  preferredChain: string | undefined;
  solver: ChallengeSolver;
  timing: Timing;
  log: Log;
  /** URLs of orders that belong to some certificate: none is adopted twice. */
  claimedOrders: Set<string>;
}

/** The leg of a record that is being driven. */
export interface Driven {
  stored: StoredRecord;
  index: number;
  /** The record was left by an earlier pass, so an order may exist that it does not name. */
  isResumed: boolean;
}

export interface Obtained {
  /** Canonical and verified. */
  text: string;
  pem: CombinedPem;
}

export async function obtain(issuing: Issuing, driven: Driven): Promise<Obtained> {
  const { client, log, preferredChain, timing } = issuing;
  const { record, name } = driven.stored;
  const order = await openOrder(issuing, driven);
  const valid = await complete(issuing, driven, order);
  if (valid.certificate === undefined)
    throw new AcmeUnreachable(`order ${order.url} is valid without a certificate`);
  const chain = await downloadChain(client, valid.certificate, preferredChain);
  if (!chain.isPreferred) log('chain.not-offered', { certificate: name, preferredChain });
  const { key, keyType } = legOf(driven);
  const text = assemble(chain.pems, key);
  return { text, pem: verify(text, { identifiers: record.identifiers, keyType }, timing.now()) };
}

async function openOrder(issuing: Issuing, driven: Driven): Promise<Order> {
  const { client, log, bucket } = issuing;
  const { stored, index } = driven;
  const { orderUrl } = legOf(driven);
  const known = orderUrl === undefined ? undefined : await getOrder(client, orderUrl);
  if (known !== undefined && known.status !== 'invalid') {
    log('order.resumed', { certificate: stored.name, order: known.url, status: known.status });
    return known;
  }
  if (orderUrl !== undefined)
    log('order.abandoned', { certificate: stored.name, order: orderUrl, status: known?.status ?? 'gone' });
  const mayBeLost = driven.isResumed && orderUrl === undefined;
  const adopted = mayBeLost ? await findLostOrder(issuing, driven) : undefined;
  const order = adopted ?? (await requestOrder(issuing, driven));
  issuing.claimedOrders.add(order.url);
  await saveLeg(bucket, stored, index, { orderUrl: order.url });
  const event = adopted === undefined ? 'order.created' : 'order.resumed';
  log(event, { certificate: stored.name, order: order.url, status: order.status, replaces: order.replaces });
  return order;
}

/**
 * A pass that died between newOrder and the record's update left an order that nobody names. Let's Encrypt hands
 * it out again on newOrder; for the others the account's list of orders (RFC 8555 §7.1.2.1) is searched.
 */
async function findLostOrder(issuing: Issuing, { stored }: Driven): Promise<Order | undefined> {
  const wanted = exactSet(stored.record.identifiers);
  for (const url of (await listOrders(issuing.client)).reverse()) {
    if (issuing.claimedOrders.has(url)) continue;
    const order = await getOrder(issuing.client, url);
    const isOpen = order?.status === 'pending' || order?.status === 'ready';
    if (!isOpen) continue;
    const names = exactSet(order.identifiers.map((identifier) => identifier.value));
    if (names === wanted && !issuing.claimedOrders.has(url)) return order;
  }
  return undefined;
}

async function requestOrder(issuing: Issuing, driven: Driven): Promise<Order> {
  const { client } = issuing;
  const { record } = driven.stored;
  const identifiers = record.identifiers.map((value) => ({
    type: isIP(value) ? ('ip' as const) : ('dns' as const),
    value,
  }));
  const request: OrderRequest = {
    identifiers,
    ...(record.profile !== undefined && { profile: record.profile }),
  };
  const { replaces } = legOf(driven);
  const isReplacing =
    replaces !== undefined && client.directory.renewalInfo !== undefined && record.failures < 2;
  if (!isReplacing) return newOrder(client, request);
  try {
    return await newOrder(client, { ...request, replaces });
  } catch (error) {
    if (!isReplacesRefused(error)) throw error;
    // RFC 9773 §5: an order that replaces it exists already. If it is ours and open, it is the one to go on with
    // (Let's Encrypt hands it out again); else the certificate is wanted all the same.
    return (await findLostOrder(issuing, driven)) ?? newOrder(client, request);
  }
}

/**
 * `alreadyReplaced` is the error of RFC 9773 §7.4; older servers say `malformed` or `conflict` with status 409, and some answer
 * 500 for a predecessor that they do not know (yet). An order that was made all the same is found by its names, or handed out again.
 */
function isReplacesRefused(error: unknown): boolean {
  if (!(error instanceof AcmeProblem)) return false;
  const isRefusal = error.type === 'malformed' && error.status < 500;
  return (
    error.type === 'alreadyReplaced' || error.status === 409 || isRefusal || error.type === 'serverInternal'
  );
}

async function complete(issuing: Issuing, driven: Driven, opened: Order): Promise<Order> {
  const { client, timing } = issuing;
  const { key } = legOf(driven);
  let order = opened;
  await prove(issuing, driven, order);
  if (order.status === 'pending' || order.status === 'ready') {
    order = (await finalize(client, order, key)) ?? (await finalizeLater(issuing, order, key));
  }
  // `ready` after finalize is a lagging replica (RFC 8555 §7.4): polled on like `processing`.
  if (order.status !== 'valid' && order.status !== 'invalid')
    order = await waitOrder(client, order.url, ['valid'], timing);
  if (order.status === 'valid') return order;
  throw new AuthorizationFailed(
    driven.stored.record.identifiers.join(', '),
    'the order is invalid',
    order.error,
  );
}

async function prove(issuing: Issuing, driven: Driven, order: Order): Promise<void> {
  const { client, solver, timing, log, bucket } = issuing;
  const { stored, index } = driven;
  const earlier = legOf(driven).presented;
  const leftover = (error: unknown) =>
    log('challenge.leftover', { certificate: stored.name, error: messageOf(error) });
  if (order.status !== 'pending') return cleanUp(solver, earlier, leftover);
  return authorize(client, order, solver, timing, {
    earlier,
    remember: (presented) => saveLeg(bucket, stored, index, { presented }),
    presented: (identifiers) =>
      log('challenge.presented', { certificate: stored.name, type: solver.type, identifiers }),
    leftover,
  });
}

async function finalizeLater({ client, timing }: Issuing, order: Order, key: string): Promise<Order> {
  const ready = await waitOrder(client, order.url, ['ready', 'processing', 'valid'], timing);
  return ready.status === 'ready' ? ((await finalize(client, ready, key)) ?? ready) : ready;
}

function legOf({ stored, index }: Driven): OrderLeg {
  const leg = stored.record.legs[index];
  if (leg === undefined) throw new TypeError(`no leg ${index} in the order record of ${stored.name}`);
  return leg;
}
