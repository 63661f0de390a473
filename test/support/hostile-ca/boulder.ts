// Rules of Boulder (Let's Encrypt) that Pebble does not know: an order is handed out again while it is open,
// `replaces` is refused from the order on and not from the certificate on, a wildcard makes names redundant,
// and there is no list of an account's orders.

import { change, problem } from './faults.ts';
import type { CaAnswer, Fault, HostileCa } from './hostile-ca.ts';
import { jsonOf } from './orders.ts';

interface OrderPayload {
  identifiers: { value: string }[];
  profile?: string;
  replaces?: string;
}

interface KnownOrder {
  payload: OrderPayload;
  answer: CaAnswer;
  status: string;
}

export function actAsBoulder(ca: HostileCa): void {
  const known = new Map<string, KnownOrder>();
  ca.fault('newOrder', newOrder(known));
  const watch: Fault = async ({ forward, path }) => {
    const answer = await forward();
    const order = known.get(path.split('/').at(-1) ?? '');
    if (order !== undefined && answer.status === 200) {
      order.status = (jsonOf(answer) as { status: string }).status;
      order.answer = { ...order.answer, body: answer.body };
    }
    return answer;
  };
  ca.fault('order', watch);
  ca.fault('finalize', watch);
  const withoutOrders = change(() => ({ orders: undefined }));
  ca.fault('account', withoutOrders);
  ca.fault('newAccount', withoutOrders);
}

function newOrder(known: Map<string, KnownOrder>): Fault {
  return async (exchange) => {
    const payload = exchange.payload as OrderPayload;
    const redundant = payload.identifiers.find(({ value }) => isRedundant(value, payload));
    if (redundant !== undefined) return refuseRedundant(redundant.value)(exchange);
    const orders = [...known.values()].filter(({ status }) => status !== 'invalid');
    const replaced = orders.some((order) => order.payload.replaces === payload.replaces);
    if (payload.replaces !== undefined && replaced) return alreadyReplaced(exchange);
    const open = orders.find(
      (order) => ['pending', 'ready'].includes(order.status) && isSame(order.payload, payload),
    );
    if (open !== undefined) return again(open, await exchange.freshNonce());
    const answer = await exchange.forward();
    const id = String(answer.headers['location']).split('/').at(-1) ?? '';
    if (answer.status === 201) known.set(id, { payload, answer, status: 'pending' });
    return answer;
  };
}

const again = ({ answer }: KnownOrder, nonce: string): CaAnswer => ({
  ...answer,
  headers: { ...answer.headers, 'replay-nonce': nonce },
});

/** wfe2/wfe.go: while an order with this `replaces` is pending, ready, processing or valid */
const alreadyReplaced = problem({
  status: 409,
  type: 'alreadyReplaced',
  detail: 'cannot indicate an order replaces a certificate which already has a replacement order',
});

/** policy/pa.go */
const refuseRedundant = (name: string) =>
  problem({
    status: 400,
    type: 'malformed',
    detail: `Domain name "${name}" is redundant with a wildcard domain in the same request.`,
  });

const isRedundant = (name: string, { identifiers }: OrderPayload) =>
  !name.startsWith('*.') &&
  identifiers.some(({ value }) => value === `*.${name.split('.').slice(1).join('.')}`);

const isSame = (a: OrderPayload, b: OrderPayload) =>
  a.profile === b.profile &&
  namesOf(a) === namesOf(b) &&
  (b.replaces === undefined || a.replaces === b.replaces);

const namesOf = ({ identifiers }: OrderPayload) =>
  identifiers
    .map(({ value }) => value)
    .sort()
    .join();
