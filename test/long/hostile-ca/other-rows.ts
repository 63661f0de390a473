// What a CA may do with authorizations, certificates, problems, nonces and its account.
import { setTimeout as sleep } from 'node:timers/promises';
import * as chains from '../../support/hostile-ca/chains.ts';
import { type ForgedLeaf, forged } from '../../support/hostile-ca/chains.ts';
import * as faults from '../../support/hostile-ca/faults.ts';
import type { Fault, HostileCa, Resource } from '../../support/hostile-ca/hostile-ca.ts';
import type { Row } from './drive.ts';
import type { Scene } from './stage.ts';

const { change, header, problem } = faults;
const names = ['a.example.test'];

const spoilt = (resource: Resource, name: string, fault: Fault, row: Partial<Row> = {}): Row => ({
  name: `${resource}: ${name}`,
  spoil: (ca: HostileCa) => ca.fault(resource, fault),
  ...row,
});

const tokenIs = (token: unknown) =>
  change(({ challenges }: { challenges: object[] }) => ({
    challenges: challenges.map((challenge) => ({ ...challenge, token })),
  }));

/** The CA looks in its own time: by then the answer may be gone. */
const lookAfterMs = 400;
const untilLooked = async (_ca: HostileCa, scene: Scene) => {
  await sleep(2 * lookAfterMs);
  scene.slow(0);
};

const authorizationRows: Row[] = [
  ...['invalid', 'deactivated', 'expired', 'revoked'].map((status) =>
    spoilt(
      'authorization',
      status,
      change(() => ({ status })),
      { code: /^ERR_AUTHORIZATION$/, message: new RegExp(status) },
    ),
  ),
  ...['invalid', 'deactivated', 'expired', 'revoked'].map(
    (status): Row => ({
      name: `authorization: ${status} while it is validated`,
      spoil: (ca) =>
        ca.fault(
          'authorization',
          change(() => ({ status })),
          { after: 1 },
        ),
      code: /^ERR_AUTHORIZATION$/,
      message: new RegExp(status),
    }),
  ),
  ...['../../issuer/account/x', '', 'short', 'a/b/c/d/e/f/g/h/i/j', 'x'.repeat(1_000), 7, null].map((token) =>
    spoilt('authorization', `token ${String(token).slice(0, 30)}`, tokenIs(token), {
      code: /^ERR_ACME_UNREACHABLE$/,
    }),
  ),
  spoilt(
    'authorization',
    'no HTTP-01',
    change(() => ({ challenges: [{ type: 'dns-01', url: 'x', token: 'y' }] })),
    {
      code: /^ERR_AUTHORIZATION$/,
      message: /offers dns-01/,
    },
  ),
  spoilt(
    'authorization',
    'no identifier',
    change(() => ({ identifier: undefined })),
  ),
  spoilt(
    'authorization',
    'of another name',
    change(() => ({ identifier: { type: 'dns', value: 'evil.test' } })),
  ),
  spoilt(
    'authorization',
    'challenges that are no objects',
    change(() => ({ challenges: [null, 1] })),
  ),
  spoilt(
    'authorization',
    'pending for ever',
    change(() => ({ status: 'pending' })),
    { code: /^ERR_ACME_DEADLINE$/ },
  ),
  ...[faults.lostBehind({ status: 500, type: 'serverInternal' }), faults.lost('reset')].map(
    (fault, index): Row => ({
      name: `challenge: ${['500', 'reset'][index]} while the CA looks: the answer stays, so that the order does`,
      spoil: (ca, scene) => {
        scene.slow(lookAfterMs);
        ca.fault('challenge', fault);
      },
      mend: untilLooked,
    }),
  ),
  {
    name: 'authorization: 503 while the CA looks: the answer stays, so that the order does',
    spoil: (ca, scene) => {
      scene.slow(lookAfterMs);
      ca.fault('authorization', faults.page(503), { after: 1 });
    },
    mend: untilLooked,
  },
  {
    name: 'a challenge that finds no answer: another order',
    spoil: (_ca, scene) => scene.mute(true),
    mend: (_ca, scene) => scene.mute(false),
    code: /^ERR_AUTHORIZATION$/,
    message: /^a\.example\.test: .*unauthorized.*acme-challenge/,
    orders: 2,
  },
];

const leaf = (options: Partial<ForgedLeaf>) => forged({ names, ...options });
const certificateRows: Row[] = [
  spoilt('certificate', 'of another key', leaf({ isOfAnotherKey: true }), { code: /^ERR_PEM_KEY_MISMATCH$/ }),
  spoilt('certificate', 'for other names', leaf({ names: ['evil.test'] }), { code: /^ERR_PEM_NAMES$/ }),
  spoilt('certificate', 'for one more name', leaf({ names: [...names, 'evil.test'] }), {
    code: /^ERR_PEM_NAMES$/,
  }),
  spoilt('certificate', 'expired', leaf({ to: -0.5 }), { code: /^ERR_PEM_VALIDITY$/ }),
  spoilt('certificate', 'not yet valid', leaf({ from: 2 }), { code: /^ERR_PEM_VALIDITY$/ }),
  spoilt('certificate', 'backwards', chains.backwards, { code: /^ERR_PEM_CHAIN$/ }),
  spoilt('certificate', 'leaf last', chains.leafLast, { code: /^ERR_PEM_/ }),
  spoilt('certificate', 'without intermediate', chains.withoutIntermediate, { code: /^ERR_PEM_CHAIN$/ }),
  spoilt('certificate', 'unreadable', chains.unreadable, { code: /^ERR_PEM_/ }),
  spoilt('certificate', 'with comments and CRLF', chains.withComments, { code: 'issued' }),
  spoilt(
    'certificate',
    'with a second leaf',
    chains.rearranged((all) => [...all, all[0]].join('')),
    { code: /^ERR_PEM_CHAIN$/ },
  ),
  spoilt('certificate', 'empty', faults.body('', 'application/pem-certificate-chain')),
  {
    name: 'certificate: of another key twice: then another order',
    spoil: (ca) => ca.fault('certificate', leaf({ isOfAnotherKey: true }), { times: 2 }),
    isLasting: true,
    failures: 2,
    orders: 2,
  },
];

const rateLimited = { status: 429, type: 'rateLimited' };
const after = (days: number) => new Date(Date.now() + days * 86_400_000);
const deep = (depth: number): object => (depth === 0 ? {} : { type: 'x', subproblems: [deep(depth - 1)] });
const problemRows: Row[] = [
  spoilt('newOrder', 'Retry-After as a date', problem({ ...rateLimited, retryAfter: after(0.25) }), {
    waits: [21_000, 21_700],
  }),
  spoilt('newOrder', 'Retry-After in ten years', problem({ ...rateLimited, retryAfter: 315_360_000 }), {
    waits: [60, 31 * 86_400],
  }),
  ...['-5', 'soon', '1e9', '', '0', after(-3).toUTCString()].map((retryAfter) =>
    spoilt('newOrder', `Retry-After "${retryAfter}"`, problem({ ...rateLimited, retryAfter }), {
      waits: [50, 3_600],
    }),
  ),
  ...Object.entries({
    'type is no text': { type: 7 },
    'detail is an object': { type: 'x', detail: {} },
    'subproblems are no list': { type: 'x', subproblems: 'y' },
    'subproblems are null': { type: 'x', subproblems: [null] },
    'identifier is null': { type: 'x', identifier: null },
    'detail writes to the terminal': { type: 'x', detail: '\u001b[31m\u0007\r\nred\u009b2J' },
    'detail of 500 kB': { type: 'x', detail: 'a'.repeat(500_000) },
    'subproblems 5,000 deep': deep(5_000),
  }).map(([name, document]) =>
    spoilt('newOrder', `problem whose ${name}`, async (exchange) => ({
      ...(await faults.page(400)(exchange)),
      headers: { 'content-type': 'application/problem+json' },
      body: Buffer.from(JSON.stringify(document)),
      // the CA may still look, and then finds no answer
      orders: 'one or two',
    })),
  ),
  {
    name: 'ten times badNonce, then not',
    spoil: (ca) => ca.fault('finalize', faults.badNonce, { times: 10 }),
    code: 'issued',
  },
  spoilt('newNonce', 'without a nonce', header('replay-nonce', undefined)),
  spoilt('newAccount', 'without Location', header('location', undefined), { isFirst: true }),
  spoilt('newAccount', 'externalAccountRequired', problem({ status: 403, type: 'externalAccountRequired' }), {
    isFirst: true,
  }),
  spoilt(
    'directory',
    'with URLs that are none',
    change(() => ({ newOrder: 'x', newNonce: 'y' })),
  ),
  spoilt(
    'directory',
    'with another protocol',
    change(() => ({ newNonce: 'http://127.0.0.1:1/' })),
  ),
];

export const otherRows: Row[] = [...authorizationRows, ...certificateRows, ...problemRows];
