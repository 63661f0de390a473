// What a CA may do with an order: hand out odd ones, let it wait, spoil it, lose it.
import { actAsBoulder } from '../../support/hostile-ca/boulder.ts';
import * as faults from '../../support/hostile-ca/faults.ts';
import type { HostileCa } from '../../support/hostile-ca/hostile-ca.ts';
import type { Row } from './drive.ts';

const { change, header, orderIs, problem } = faults;
const names = ['a.example.test', 'b.example.test'];

/** Orders that exist by now are of nobody whom the CA knows. */
const refuseKnownOrders = (status: number, type: string) => (ca: HostileCa) => {
  const known = ca.requests.flatMap(({ location }) => (location?.includes('/my-order/') ? [location] : []));
  const ids = known.map((url) => url.split('/').at(-1) ?? '');
  for (const resource of ['order', 'finalize'] as const) {
    ca.fault(resource, (exchange) =>
      ids.some((id) => exchange.path.endsWith(id))
        ? problem({ status, type, detail: 'not yours' })(exchange)
        : exchange.forward(),
    );
  }
};
const failFinalize = (ca: HostileCa) => ca.fault('finalize', faults.page(503));

const newOrderRows: Row[] = [
  {
    name: 'newOrder without Location: found again by the account, or handed out again',
    spoil: (ca) => ca.fault('newOrder', header('location', undefined)),
  },
  ...['https://[', 'ftp://127.0.0.1/x', 'http://127.0.0.1:1/order', '//'].map((location) => ({
    name: `newOrder with Location ${location}`,
    spoil: (ca: HostileCa) => ca.fault('newOrder', header('location', location)),
  })),
  {
    name: 'newOrder with a relative Location (RFC 9110 §10.2.2 allows it)',
    spoil: (ca) =>
      ca.fault('newOrder', async ({ forward }) => {
        const answer = await forward();
        const { pathname } = new URL(String(answer.headers['location']));
        return { ...answer, headers: { ...answer.headers, location: pathname } };
      }),
    code: 'issued',
  },
  {
    name: 'newOrder redirected to somebody else',
    spoil: (ca) =>
      ca.fault('newOrder', async () => ({
        ...{ status: 307, body: Buffer.alloc(0) },
        headers: { location: 'https://127.0.0.1:1/' },
      })),
  },
  ...Object.entries({
    'no authorizations': { authorizations: undefined },
    'authorizations that are no list': { authorizations: 'all' },
    'an authorization that is no URL': { authorizations: ['x'] },
    'no identifiers': { identifiers: undefined },
    'identifiers of somebody else': { identifiers: [{ type: 'dns', value: 'evil.test' }] },
    'no finalize URL': { finalize: undefined },
    'a finalize URL that is none': { finalize: 'x' },
    'a status that nobody knows': { status: 'banana' },
    'a status that is no text': { status: 7 },
  }).map(([what, members]) => ({
    name: `newOrder with ${what}`,
    spoil: (ca: HostileCa) =>
      ca.fault(
        'newOrder',
        change(() => members),
      ),
  })),
  {
    name: 'newOrder valid without a certificate',
    spoil: (ca) =>
      ca.fault(
        'newOrder',
        change(() => ({ status: 'valid' })),
      ),
  },
  {
    name: 'redundant wildcard, as Boulder refuses it',
    spoil: (ca) =>
      ca.fault('newOrder', problem({ status: 400, type: 'malformed', detail: 'redundant with a wildcard' })),
    code: /^ERR_ACME_PROBLEM$/,
    message: /redundant/,
  },
  {
    name: 'alreadyReplaced by an order of somebody else: ordered without `replaces`',
    spoil: (ca) =>
      ca.fault('newOrder', (exchange) =>
        'replaces' in (exchange.payload as object)
          ? problem({ status: 409, type: 'alreadyReplaced' })(exchange)
          : exchange.forward(),
      ),
    code: 'issued',
  },
  {
    name: 'alreadyReplaced while pending, as Boulder: the lost order is resumed',
    spoil: (ca) => {
      actAsBoulder(ca);
      ca.fault('newOrder', faults.lostBehind({ status: 500, type: 'serverInternal' }), { times: 1 });
    },
    isLasting: true,
    // the order may be found in the same pass
    code: 'either',
  },
];

const waitingRows: Row[] = [
  {
    name: 'finalize answers ready, the order processing for a while',
    spoil: (ca) => {
      ca.fault('finalize', orderIs('ready'));
      ca.fault('order', orderIs('ready'), { times: 2 });
      ca.fault('order', orderIs('processing'), { after: 2, times: 3 });
    },
    code: 'issued',
  },
  {
    name: 'processing beyond the deadline: the same order goes on',
    spoil: (ca) => {
      ca.fault('finalize', orderIs('processing'));
      ca.fault('order', orderIs('processing'));
    },
    code: /^ERR_ACME_DEADLINE$/,
  },
  {
    name: 'processing, with a Retry-After beyond the deadline',
    spoil: (ca) => {
      for (const resource of ['finalize', 'order'] as const) {
        ca.fault(resource, orderIs('processing'));
        ca.fault(resource, header('retry-after', '3600'));
      }
    },
    code: /^ERR_ACME_DEADLINE$/,
  },
  {
    name: 'ready for ever after finalize',
    spoil: (ca) => {
      ca.fault('finalize', orderIs('ready'));
      ca.fault('order', orderIs('ready'));
    },
    code: /^ERR_ACME_DEADLINE$/,
  },
  {
    name: 'finalize: orderNotReady, although it is',
    spoil: (ca) => ca.fault('finalize', problem({ status: 403, type: 'orderNotReady' }), { times: 1 }),
    code: 'issued',
  },
];

const spoiltRows: Row[] = [
  {
    name: 'order invalid by CAA: both names are told, and another order is made',
    identifiers: names,
    spoil: (ca) => ca.fault('finalize', faults.invalidFromNow(faults.caaRefusal(...names))),
    code: /^ERR_AUTHORIZATION$/,
    message: /a\.example\.test: caa.*b\.example\.test: caa/,
    orders: 2,
  },
  {
    name: 'order invalid without a reason',
    spoil: (ca) => ca.fault('order', faults.invalidFromNow({ status: 400, type: 'malformed' })),
    code: /^ERR_AUTHORIZATION$/,
    orders: 2,
  },
  ...(
    [
      [403, 'unauthorized'],
      [404, 'malformed'],
    ] as const
  ).map(([status, type]) => ({
    name: `the order in flight becomes ${status} ${type}: another is made`,
    spoil: failFinalize,
    mend: refuseKnownOrders(status, type),
    orders: 2,
  })),
  {
    name: 'the account is gone at the CA: registered again',
    spoil: (ca) => {
      const registered = ca.count('newAccount');
      for (const resource of ['newOrder', 'orders', 'account', 'authorization', 'finalize'] as const) {
        ca.fault(resource, (exchange) =>
          ca.count('newAccount') > registered
            ? exchange.forward()
            : problem({ status: 400, type: 'accountDoesNotExist' })(exchange),
        );
      }
    },
    isLasting: true,
  },
];

export const orderRows: Row[] = [...newOrderRows, ...waitingRows, ...spoiltRows];
