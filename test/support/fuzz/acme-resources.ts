/** ACME resources as a CA may send them: each is read, or is a typed error with a harmless message. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { codeOf, messageOf } from '#contract/errors.ts';
import { getAuthorization, notValid } from '../../../lambda/acme/authorization.ts';
import type { AcmeClient } from '../../../lambda/acme/client.ts';
import { readDirectory } from '../../../lambda/acme/directory.ts';
import { newOrder } from '../../../lambda/acme/order.ts';
import { noon } from '../clock.ts';

export const word = fc.oneof(
  fc.constantFrom(
    'constructor',
    '__proto__',
    'valid',
    'pending',
    'invalid',
    'https://ca.test/1',
    '\u001b[2J\n\u202e',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const odd = fc.oneof(
  { weight: 4, arbitrary: word },
  fc.constantFrom(null, true, [], {}, 1e308),
  fc.jsonValue({ maxDepth: 3 }),
);
const listOf = (one: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 4, arbitrary: fc.array(one, { maxLength: 4 }) }, odd);
const recordOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 9, arbitrary: fc.record(fields, { requiredKeys: [] }) }, odd);
const identifier = recordOf({ type: odd, value: word });
const problem = recordOf({
  type: word,
  detail: odd,
  identifier,
  subproblems: listOf(recordOf({ type: odd, identifier })),
});

/** Answers each request with this, and with that URL in Location. */
const clientWith = (data: unknown, location: string) =>
  ({
    directory: { newOrder: 'https://ca.test/new' },
    post: async () => ({ status: 200, headers: { location }, data }),
  }) as unknown as AcmeClient;

type ReadResource = (data: unknown, location: string) => Promise<unknown>;
interface Resource {
  input: fc.Arbitrary<unknown>;
  read: ReadResource;
  /** It is read. */
  valid: unknown;
  /** What once ended untyped, and its like: read, or refused. */
  found: readonly unknown[];
}

/** Nothing that a terminal would obey. */
const HARMLESS = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

export const RESOURCES: Readonly<Record<string, Resource>> = {
  orders: {
    input: recordOf({
      ...{ status: word, identifiers: listOf(identifier), authorizations: listOf(word) },
      ...{ finalize: word, expires: odd, error: problem },
    }),
    read: async (data, location) => {
      const { url } = await newOrder(clientWith(data, location), { identifiers: [] });
      assert.ok(url.startsWith('https:'));
    },
    valid: {
      ...{ status: 'pending', finalize: 'https://ca.test/finalize/1' },
      identifiers: [{ type: 'dns', value: 'a.test' }],
      authorizations: ['https://ca.test/authz/1'],
    },
    found: [
      { identifiers: [null] },
      { status: 'constructor' },
      { status: 'invalid', identifiers: [null], error: { type: 'constructor', subproblems: [null] } },
    ],
  },
  authorizations: {
    input: recordOf({
      ...{ status: word, identifier, wildcard: odd },
      challenges: listOf(recordOf({ type: word, url: word, token: word, status: word, error: problem })),
    }),
    read: async (data) => {
      const authorization = await getAuthorization(clientWith(data, ''), 'https://ca.test/1');
      assert.match(messageOf(notValid(authorization)), HARMLESS);
    },
    valid: {
      ...{ status: 'invalid', identifier: { type: 'dns', value: 'a.test' } },
      challenges: [
        { type: 'http-01', url: 'https://ca.test/challenge/1', token: 'a'.repeat(43), status: 'invalid' },
      ],
    },
    found: [
      { challenges: [{ type: 'http-01', token: ['a'] }] },
      { status: 'invalid', challenges: [{ type: 'constructor', error: { type: 'constructor' } }] },
      { status: 'invalid', challenges: [null] },
    ],
  },
  directories: {
    input: recordOf({ newNonce: word, newAccount: word, newOrder: word, renewalInfo: odd, meta: odd }),
    read: (data) =>
      readDirectory(
        async () => ({ status: 200, headers: {}, data }),
        'https://ca.test/',
        () => noon,
      ),
    valid: {
      newNonce: 'https://ca.test/nonce',
      newAccount: 'https://ca.test/account',
      newOrder: 'https://ca.test/order',
      meta: { caaIdentities: ['ca.test'] },
    },
    found: [null, [], { meta: null }, { newNonce: '\u001b[2J', meta: { profiles: ['__proto__'] } }],
  },
};

/** @throws what `read` must not throw */
export async function checkResource(
  read: ReadResource,
  data: unknown,
  location: string,
): Promise<'read' | 'refused'> {
  try {
    await read(data, location);
    return 'read';
  } catch (error) {
    if (error instanceof assert.AssertionError || !/^ERR_(ACME|AUTHORIZATION)/.test(codeOf(error)))
      throw error;
    assert.match(messageOf(error), HARMLESS);
    return 'refused';
  }
}
