// What the hostile CA knows of the orders that went through it: the CSR of each, and which are to be shown as
// invalid from now on. In Pebble an order and its finalize URL end with the same id.
import type { Exchange } from './hostile-ca.ts';
import type { CaAnswer } from './wire.ts';

export interface OrderBook {
  /** Remembers what goes by, and shows spoilt orders as invalid. */
  observe(exchange: Pick<Exchange, 'resource' | 'path' | 'payload'>, answer: CaAnswer): CaAnswer;
  /** From now on the order of this path is invalid (RFC 8555 §7.1.6), also after `clear`. */
  spoil(path: string, problem: object): void;
  /** DER of the CSR that a certificate was made for */
  csrOf(certificatePath: string): Buffer | undefined;
}

export function createOrderBook(): OrderBook {
  const problems = new Map<string, object>();
  const csrs = new Map<string, Buffer>();
  const orderIds = new Map<string, string>();
  return {
    observe: ({ resource, path, payload }, answer) => {
      if (!['order', 'finalize', 'newOrder'].includes(resource) || answer.status >= 300) return answer;
      const id = idOf(resource === 'newOrder' ? String(answer.headers['location']) : path);
      const csr = (payload as { csr?: string } | undefined)?.csr;
      if (csr !== undefined) csrs.set(id, Buffer.from(csr, 'base64url'));
      const order = jsonOf(answer) as { certificate?: string };
      if (order.certificate !== undefined) orderIds.set(new URL(order.certificate).pathname, id);
      const error = problems.get(id);
      if (error === undefined) return answer;
      const { certificate: _, ...rest } = order;
      return withJson(answer, { ...rest, status: 'invalid', error });
    },
    spoil: (path, problem) => problems.set(idOf(path), problem),
    csrOf: (path) => csrs.get(orderIds.get(path) ?? ''),
  };
}

export const jsonOf = (answer: CaAnswer): unknown => JSON.parse(answer.body.toString());

export const withJson = (answer: CaAnswer, value: unknown): CaAnswer => ({
  ...answer,
  body: Buffer.from(JSON.stringify(value)),
});

const idOf = (path: string) => path.split('/').at(-1) ?? '';
