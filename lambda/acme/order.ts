/** RFC 8555 §7.1.3, §7.4: orders, from newOrder to the finalized certificate. */
import acmeCrypto from 'acme-client/src/crypto/index.js';
import type { AcmeClient } from './client.ts';
import { pollUntil, type Timing } from './poll.ts';
import { AcmeProblem, AcmeUnreachable, type Identifier, type ProblemDocument } from './problem.ts';
import type { AcmeResponse } from './transport.ts';

export interface OrderRequest {
  identifiers: Identifier[];
  /** draft-ietf-acme-profiles §4 */
  profile?: string;
  /** RFC 9773 §5: certID of the certificate that this one takes the place of. */
  replaces?: string;
}

export interface Order {
  /** Added by us: where it was read. */
  url: string;
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  identifiers: Identifier[];
  authorizations: string[];
  finalize: string;
  certificate?: string;
  profile?: string;
  replaces?: string;
  error?: ProblemDocument;
}

export async function newOrder(client: AcmeClient, request: OrderRequest): Promise<Order> {
  const response = await client.post(client.directory.newOrder, request);
  return orderOf(response, orderUrlOf(response, client.directory.newOrder));
}

/** It is stored before it is used, so a wrong one would stand in the way of every later pass. */
function orderUrlOf({ headers }: AcmeResponse, base: string): string {
  const { location } = headers;
  const url = location !== undefined && URL.canParse(location, base) ? new URL(location, base) : undefined;
  if (url?.protocol === 'https:') return url.href;
  const seen = location === undefined ? 'none' : JSON.stringify(location.slice(0, 200));
  throw new AcmeUnreachable(`newOrder: wanted an https order URL in Location (RFC 8555 §7.4), saw ${seen}`);
}

/** @returns undefined if the CA no longer knows it (expired, or another CA's) */
export async function getOrder(client: AcmeClient, url: string): Promise<Order | undefined> {
  try {
    return orderOf(await client.post(url, null), url);
  } catch (error) {
    // §7.1.3 knows no status for it: 404, or `unauthorized` to an account whose order it is not (§6.2).
    if (error instanceof AcmeProblem && (error.status === 404 || error.type === 'unauthorized'))
      return undefined;
    throw error;
  }
}

/** §7.4: sends the CSR. @returns undefined if the CA holds the order not to be ready (or ready no more) */
export async function finalize(client: AcmeClient, order: Order, keyPem: string): Promise<Order | undefined> {
  const altNames = order.identifiers.map((identifier) => identifier.value);
  const [, csr] = await acmeCrypto.createCsr({ altNames }, keyPem);
  try {
    const response = await client.post(order.finalize, { csr: acmeCrypto.getPemBodyAsB64u(csr) });
    return orderOf(response, order.url);
  } catch (error) {
    if (error instanceof AcmeProblem && error.type === 'orderNotReady') return undefined;
    throw error;
  }
}

/** Polls until the order has one of `statuses`, or is invalid. */
export async function waitOrder(
  client: AcmeClient,
  url: string,
  statuses: readonly Order['status'][],
  timing: Timing,
): Promise<Order> {
  const isDone = (order: Order) => order.status === 'invalid' || statuses.includes(order.status);
  const read = async () => {
    const response = await client.post(url, null);
    return { ...response, data: orderOf(response, url) };
  };
  return pollUntil<Order>(`order ${url}`, read, isDone, timing);
}

/** The fields that §7.1.3 requires; whatever else answers under this URL is no order. */
function orderOf({ data }: AcmeResponse, url: string): Order {
  const order = (data ?? {}) as Partial<Order>;
  const isOrder =
    typeof order.status === 'string' &&
    typeof order.finalize === 'string' &&
    Array.isArray(order.identifiers) &&
    Array.isArray(order.authorizations);
  if (!isOrder) throw new AcmeUnreachable(`${url} answered something else than an order`);
  return { ...(order as Order), url };
}
