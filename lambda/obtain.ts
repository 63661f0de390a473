/**
 * One certificate, from its order record to a verified combined PEM. Every step looks at what the CA says first,
 * so a pass that was killed anywhere is simply continued by the next one, with the same key and the same order.
 */
import { generateKeyPairSync } from 'node:crypto';
import { isIP } from 'node:net';
import type { Bucket } from '#contract/bucket/bucket.ts';
import { assemble, type CombinedPem, verify } from '#contract/combined-pem.ts';
import { messageOf } from '#contract/errors.ts';
import { listOrders } from './acme/account.ts';
import type { AcmeClient } from './acme/client.ts';
import {
  downloadChain,
  finalize,
  getOrder,
  newOrder,
  type Order,
  type OrderRequest,
  waitOrder,
} from './acme/order.ts';
import type { Timing } from './acme/poll.ts';
import { AcmeProblem, AcmeUnreachable, AuthorizationFailed } from './acme/problem.ts';
import { authorize, cleanUp } from './authorize.ts';
import type { ChallengeSolver } from './challenge/solver.ts';
import type { Log } from './log.ts';
import { type OrderRecord, type StoredRecord, saveOrderRecord } from './order-record.ts';

export interface Issuing {
  bucket: Bucket;
  client: AcmeClient;
  solver: ChallengeSolver;
  timing: Timing;
  log: Log;
  /** URLs of orders that belong to some certificate: none is adopted twice. */
  claimedOrders: Set<string>;
}

export interface Obtained {
  /** Canonical and verified. */
  text: string;
  pem: CombinedPem;
}

/** @param isResumed the record was left by an earlier pass, so an order may exist that it does not name */
export async function obtain(issuing: Issuing, stored: StoredRecord, isResumed: boolean): Promise<Obtained> {
  const order = await openOrder(issuing, stored, isResumed);
  const valid = await complete(issuing, stored, order);
  if (valid.certificate === undefined)
    throw new AcmeUnreachable(`order ${order.url} is valid without a certificate`);
  const { chain } = await downloadChain(issuing.client, valid.certificate);
  const text = assemble(chain, stored.record.key);
  const { identifiers, keyType } = stored.record;
  return { text, pem: verify(text, { identifiers, keyType }, issuing.timing.now()) };
}

/** PKCS#8 PEM of a fresh key. */
export function generateKey(keyType: string): string {
  const isRsa = keyType.startsWith('rsa');
  const { privateKey } = isRsa
    ? generateKeyPairSync('rsa', { modulusLength: Number(keyType.slice('rsa'.length)) })
    : generateKeyPairSync('ec', { namedCurve: keyType === 'ec384' ? 'P-384' : 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function openOrder(issuing: Issuing, stored: StoredRecord, isResumed: boolean): Promise<Order> {
  const { client, log } = issuing;
  const { orderUrl } = stored.record;
  const known = orderUrl === undefined ? undefined : await getOrder(client, orderUrl);
  if (known !== undefined && known.status !== 'invalid') {
    log('order.resumed', { certificate: stored.name, order: known.url, status: known.status });
    return known;
  }
  if (orderUrl !== undefined)
    log('order.abandoned', { certificate: stored.name, order: orderUrl, status: known?.status ?? 'gone' });
  const adopted =
    isResumed && orderUrl === undefined ? await findLostOrder(issuing, stored.record) : undefined;
  const order = adopted ?? (await requestOrder(issuing, stored));
  issuing.claimedOrders.add(order.url);
  await saveOrderRecord(issuing.bucket, stored, { orderUrl: order.url });
  const event = adopted === undefined ? 'order.created' : 'order.resumed';
  log(event, { certificate: stored.name, order: order.url, status: order.status, replaces: order.replaces });
  return order;
}

/**
 * A pass that died between newOrder and the record's update left an order that nobody names. Let's Encrypt hands
 * it out again on newOrder; for the others the account's list of orders (RFC 8555 §7.1.2.1) is searched.
 */
async function findLostOrder(issuing: Issuing, record: OrderRecord): Promise<Order | undefined> {
  const wanted = [...record.identifiers].sort().join();
  for (const url of (await listOrders(issuing.client)).reverse()) {
    if (issuing.claimedOrders.has(url)) continue;
    const order = await getOrder(issuing.client, url);
    const isOpen = order?.status === 'pending' || order?.status === 'ready';
    const names = order?.identifiers
      .map((identifier) => identifier.value)
      .sort()
      .join();
    if (isOpen && names === wanted && !issuing.claimedOrders.has(url)) return order;
  }
  return undefined;
}

async function requestOrder({ client }: Issuing, { record }: StoredRecord): Promise<Order> {
  const identifiers = record.identifiers.map((value) => ({
    type: isIP(value) ? ('ip' as const) : ('dns' as const),
    value,
  }));
  const request: OrderRequest = {
    identifiers,
    ...(record.profile !== undefined && { profile: record.profile }),
  };
  const isReplacing =
    record.replaces !== undefined && client.directory.renewalInfo !== undefined && record.failures < 2;
  if (!isReplacing) return newOrder(client, request);
  try {
    return await newOrder(client, { ...request, replaces: record.replaces ?? '' });
  } catch (error) {
    // RFC 9773 §5: the predecessor has its successor already; the order is wanted all the same.
    if (error instanceof AcmeProblem && error.type === 'alreadyReplaced') return newOrder(client, request);
    throw error;
  }
}

async function complete(issuing: Issuing, stored: StoredRecord, opened: Order): Promise<Order> {
  const { client, timing } = issuing;
  const { record } = stored;
  let order = opened;
  await prove(issuing, stored, order);
  if (order.status === 'pending' || order.status === 'ready') {
    order = (await finalize(client, order, record.key)) ?? (await finalizeLater(issuing, order, record.key));
  }
  // `ready` after finalize is a lagging replica (RFC 8555 §7.4): polled on like `processing`.
  if (order.status !== 'valid' && order.status !== 'invalid')
    order = await waitOrder(client, order.url, ['valid'], timing);
  if (order.status === 'valid') return order;
  throw new AuthorizationFailed(record.identifiers.join(', '), 'the order is invalid', order.error);
}

async function prove(issuing: Issuing, stored: StoredRecord, order: Order): Promise<void> {
  const { client, solver, timing, log, bucket } = issuing;
  const earlier = stored.record.presented;
  const leftover = (error: unknown) =>
    log('challenge.leftover', { certificate: stored.name, error: messageOf(error) });
  if (order.status !== 'pending') return cleanUp(solver, earlier, leftover);
  return authorize(client, order, solver, timing, {
    earlier,
    remember: (presented) => saveOrderRecord(bucket, stored, { presented }),
    presented: (identifiers) =>
      log('challenge.presented', { certificate: stored.name, type: solver.type, identifiers }),
    leftover,
  });
}

async function finalizeLater({ client, timing }: Issuing, order: Order, key: string): Promise<Order> {
  const ready = await waitOrder(client, order.url, ['ready', 'processing', 'valid'], timing);
  return ready.status === 'ready' ? ((await finalize(client, ready, key)) ?? ready) : ready;
}
