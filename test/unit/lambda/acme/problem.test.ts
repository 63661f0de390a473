import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AcmeProblem,
  AuthorizationFailed,
  describeProblem,
  type ProblemDocument,
} from '../../../../lambda/acme/problem.ts';
import { noon } from '../../../support/clock.ts';

const urn = (type: string) => `urn:ietf:params:acme:error:${type}`;

test('the problem document is the error: type, status, subproblems and Retry-After stay', () => {
  const document: ProblemDocument = {
    type: urn('rejectedIdentifier'),
    detail: 'some names were refused',
    status: 403,
    subproblems: [
      { type: urn('caa'), detail: 'CAA record forbids', identifier: { type: 'dns', value: 'a.test' } },
      { type: urn('dns'), identifier: { type: 'dns', value: 'b.test' } },
    ],
  };

  const error = new AcmeProblem(document, 403, noon);

  assert.deepEqual(error.document, document);
  assert.deepEqual(
    [error.code, error.type, error.status, error.retryAfter],
    ['ERR_ACME_PROBLEM', 'rejectedIdentifier', 403, noon],
  );
  assert.equal(
    error.message,
    'rejectedIdentifier (some names were refused); a.test: caa (CAA record forbids); b.test: dns',
  );
});

test('an answer that was no problem document is of type http', () => {
  assert.equal(new AcmeProblem({ type: 'about:blank', detail: 'HTTP 502' }, 502).type, 'http');
  assert.equal(new AcmeProblem({ type: 'https://ca.test/errors/rateLimited' }, 429).type, 'http');
});

test('what a hostile CA writes becomes one line of bounded length, without control characters', () => {
  const detail = `\u001b[31mred\u001b[0m\r\nsecond line\u0007\u0000\u009b ${'x'.repeat(5_000)}`;

  const text = describeProblem({ type: urn('malformed'), detail });

  assert.match(text, /^malformed \( \[31mred \[0m second line /);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is asserted
  assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f]/);
  assert.ok(text.length <= 1_000);
  assert.equal(
    describeProblem({ type: urn('dns'), detail: 'bücher.example: ungültig' }),
    'dns (bücher.example: ungültig)',
  );
});

const NO_DOCUMENTS: [says: string, given: unknown][] = [
  ['null', null],
  ['a string', 'urn:ietf:params:acme:error:dns'],
  ['a list', []],
  ['no type', {}],
  ['a type that is a number', { type: 1 }],
  ['a detail that is an object', { type: urn('dns'), detail: { deep: 1 } }],
  ['an identifier that is null', { type: urn('dns'), identifier: null }],
  ['an identifier that is a string', { type: urn('dns'), identifier: 'a.test' }],
  ['an identifier without a value', { type: urn('dns'), identifier: { type: 'dns' } }],
  ['subproblems that are null', { type: urn('dns'), subproblems: null }],
  ['subproblems that are a string', { type: urn('dns'), subproblems: 'many' }],
  ['a subproblem that is null', { type: urn('dns'), subproblems: [null] }],
  ['a subproblem without a type', { type: urn('dns'), subproblems: [{}] }],
  [
    'subproblems within subproblems',
    { type: urn('dns'), subproblems: [{ type: urn('caa'), subproblems: [{ type: urn('tls') }] }] },
  ],
];

for (const [says, given] of NO_DOCUMENTS) {
  test(`a problem with ${says} is a problem all the same`, () => {
    const error = new AcmeProblem(given as ProblemDocument, 400);
    const failed = new AuthorizationFailed('a.test', 'authorization is invalid', given as ProblemDocument);

    assert.match(error.message, /^(dns|about:blank)(; (caa|about:blank))?$/);
    assert.ok(failed.message.startsWith('a.test: authorization is invalid'));
    assert.deepEqual(JSON.parse(JSON.stringify(error.document)), error.document);
  });
}

for (const [type, hint] of [
  ['connection', /port 80/],
  ['unauthorized', /\.well-known\/acme-challenge/],
  ['dns', /A or AAAA record/],
  ['caa', /CAA record/],
  ['serverInternal', /\(detail\)$/],
] as const) {
  test(`a validation that failed by ${type} names its identifier and ${type === 'serverInternal' ? 'no' : 'the commonest'} cause`, () => {
    const error = new AuthorizationFailed('a.test', 'authorization is invalid', {
      type: urn(type),
      detail: 'detail',
    });

    assert.equal(error.code, 'ERR_AUTHORIZATION');
    assert.equal(error.identifier, 'a.test');
    assert.match(error.message, new RegExp(`^a\\.test: authorization is invalid: ${type} \\(detail\\)`));
    assert.match(error.message, hint);
  });
}
