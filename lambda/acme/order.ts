/** Order objects (RFC 8555 §7.1.3) and their walk from newOrder to the issued certificate (§7.4). */
import type { KeyObject } from 'node:crypto';
import type { AcmeClient } from './client.ts';
import { certificationRequest } from './csr.ts';
import { type PollAnswer, pollUntil, type Timing } from './poll.ts';
import { AcmeProblem, type Identifier, NoAcmeAnswer, type ProblemDocument } from './problem.ts';
import type { AcmeResponse } from './transport.ts';

/** Payload of newOrder (§7.4). */
export interface OrderRequest {
  /** What the certificate is to name. */
  identifiers: Identifier[];
  /** Profile for the CA to apply (draft-ietf-acme-profiles §4); default: the CA's own choice. */
  profile?: string | undefined;
  /** certID of the certificate that this one renews (RFC 9773 §5). */
  replaces?: string | undefined;
}

/** What the client asks for and how far the CA has come with it (§7.1.3). */
export interface Order {
  /** Not in the RFC's object: the URL it was read from. */
  url: string;
  /** `pending`: authorizations are open; `ready`: to be finalized; `processing`: the CA issues; then final (§7.1.6). */
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  /** RFC 3339: the CA takes the order for invalid after it. */
  expires?: string;
  /** What the order is for. */
  identifiers: Identifier[];
  /** URLs of the authorizations that the CA requires before it issues. */
  authorizations: string[];
  /** URL that takes the CSR once all authorizations are valid. */
  finalize: string;
  /** URL of the issued certificate; only of a valid order. */
  certificate?: string;
  /** Profile under which the CA issues (draft-ietf-acme-profiles §4). */
  profile?: string;
  /** certID of the certificate that the CA took for replaced (RFC 9773 §5). */
  replaces?: string;
  /** Why processing the order failed. */
  error?: ProblemDocument;
  /** Not in the RFC's object: the header of finalize's answer, which says when to look at the order (§7.4). */
  retryAfter?: string | undefined;
}

export async function newOrder(client: AcmeClient, request: OrderRequest): Promise<Order> {
  const response = await client.post(client.directory.newOrder, request);
  return orderOf(response, orderUrlOf(response, client.directory.newOrder));
}

/** The caller stores this URL before it uses it: a wrong one would block every later pass. */
function orderUrlOf({ headers }: AcmeResponse, base: string): string {
  const { location } = headers;
  const url = location !== undefined && URL.canParse(location, base) ? new URL(location, base) : undefined;
  if (url?.protocol === 'https:') return url.href;
  const seen = location === undefined ? 'none' : JSON.stringify(location.slice(0, 200));
  throw new NoAcmeAnswer(`newOrder: wanted an https order URL in Location (RFC 8555 §7.4), saw ${seen}`);
}

const UNKNOWN: ReadonlySet<string> = new Set(['malformed', 'unauthorized']);

/** @returns undefined if the CA does not know the order: it has expired, or belongs to another CA */
export async function getOrder(client: AcmeClient, url: string): Promise<Order | undefined> {
  try {
    return orderOf(await client.post(url, null), url);
  } catch (error) {
    // §7.1.3 has no status for this: CAs answer 404, smallstep `malformed`, or `unauthorized` if the order is another account's (§6.2).
    const isUnknown = error instanceof AcmeProblem && error.status < 500;
    if (isUnknown && (error.status === 404 || UNKNOWN.has(error.type))) return undefined;
    throw error;
  }
}

/** §7.4: sends the CSR. @returns undefined if the CA says that the order is not ready, or no longer is */
export async function finalize(client: AcmeClient, order: Order, key: KeyObject): Promise<Order | undefined> {
  const names = order.identifiers.map((identifier) => identifier.value);
  const csr = certificationRequest(names, key).toString('base64url');
  try {
    const response = await client.post(order.finalize, { csr });
    return { ...orderOf(response, order.url), retryAfter: response.headers['retry-after'] };
  } catch (error) {
    if (error instanceof AcmeProblem && error.type === 'orderNotReady') return undefined;
    throw error;
  }
}

/**
 * Polls until the order has one of `statuses` or is invalid: at first at once, or when the answer to finalize has said.
 * @throws AcmeDeadline
 */
export async function waitOrder(
  client: AcmeClient,
  seen: Order,
  statuses: readonly Order['status'][],
  timing: Timing,
): Promise<Order> {
  const { url, retryAfter } = seen;
  const isDone = (order: Order) => order.status === 'invalid' || statuses.includes(order.status);
  const answered: PollAnswer<Order>[] = retryAfter === undefined ? [] : [{ value: seen, retryAfter }];
  const ask = async () => {
    const response = await client.post(url, null);
    return { value: orderOf(response, url), retryAfter: response.headers['retry-after'] };
  };
  return pollUntil(`order ${url}`, async () => answered.pop() ?? ask(), isDone, timing);
}

/** Of an order; a certificate has a hundred names. */
const MAX_ITEMS = 1000;

function isListOf<T>(list: T[] | undefined, isOne: (item: NonNullable<T>) => boolean): boolean {
  const isList = Array.isArray(list) && list.length <= MAX_ITEMS;
  return isList && list.every((item) => item !== null && item !== undefined && isOne(item));
}

/** Checks for the fields that §7.1.3 requires: a proxy may answer with anything. */
function orderOf({ data }: AcmeResponse, url: string): Order {
  const order = (data ?? {}) as Partial<Order>;
  const isOrder =
    typeof order.status === 'string' &&
    typeof order.finalize === 'string' &&
    isListOf(order.identifiers, ({ value }) => typeof value === 'string') &&
    isListOf(order.authorizations, (url) => typeof url === 'string');
  if (!isOrder) throw new NoAcmeAnswer(`${url} answered something else than an order`);
  return { ...(order as Order), url };
}
