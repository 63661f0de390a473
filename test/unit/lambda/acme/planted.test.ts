/** Whatever a CA, the DNS or a listing plants in any field: no message of ours acts on a terminal, or has a line of theirs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printableLines } from '#common/printable.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { getAccount, newAccount } from '../../../../lambda/acme/account.ts';
import { getAuthorization, notValid, waitValid } from '../../../../lambda/acme/authorization.ts';
import { downloadChain } from '../../../../lambda/acme/chain.ts';
import type { AcmeClient } from '../../../../lambda/acme/client.ts';
import { type Directory, readDirectory } from '../../../../lambda/acme/directory.ts';
import { newOrder, type Order, waitOrder } from '../../../../lambda/acme/order.ts';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';
import { getRenewalInfo } from '../../../../lambda/acme/renewal-info.ts';
import { createTransport } from '../../../../lambda/acme/transport.ts';
import { caaProblem } from '../../../../lambda/challenge/caa.ts';
import { outcomeTable } from '../../../../lambda/commands/output.ts';
import { readStatuses } from '../../../../lambda/fleet/read-reports.ts';
import { jsonLog, textLog } from '../../../../lambda/log.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { fakeClock, noon } from '../../../support/clock.ts';
import { fleet, named } from '../../../support/issuer/documents.ts';
import { answer, clientOf, DIRECTORY, fakeCa } from '../../../support/issuer/fake-ca.ts';

const ACTING =
  '\x1b]0;owned\x07\x1b[2J\r\nerror forged\n\x7f\x80\x9b2J\x85\x9f\u202eevil\u2066\u200b\u2028\u2029\ufeff\ud800';
const EVIL = `a${ACTING}b`;

/** The document with `EVIL` in the place of each of its texts, in turn, and once as a further name. */
function plantedIn(document: unknown): unknown[] {
  const texts: string[][] = [];
  const walk = (value: unknown, path: string[]) => {
    if (typeof value === 'string') texts.push(path);
    else if (typeof value === 'object' && value !== null)
      for (const [name, inner] of Object.entries(value)) walk(inner, [...path, name]);
  };
  walk(document, []);
  const set = (path: readonly string[]) => {
    const copy = structuredClone(document) as Record<string, unknown>;
    const at = path.slice(0, -1).reduce((one, name) => one[name] as Record<string, unknown>, copy);
    at[path.at(-1) ?? ''] = EVIL;
    return copy;
  };
  return [...texts.map(set), { ...(document as object), [EVIL]: EVIL }];
}

/** A message that people read: in a log, in a table, on a line of its own. */
function assertHarmless(error: unknown, says: string): void {
  const [code, message] = [codeOf(error), messageOf(error)];
  assert.match(code, /^ERR_(ACME|AUTHORIZATION)/, `${says}: ${String((error as Error).stack)}`);
  assert.doesNotMatch(message, /[\p{C}\p{Zl}\p{Zp}]/u, `${says}: ${JSON.stringify(message)}`);
  const lines: string[] = [];
  for (const log of [textLog, jsonLog]) {
    log(
      (line) => lines.push(printableLines(line)),
      () => noon,
    )('certificate.failed', { error: message, code });
  }
  const outcome = {
    certificate: named('a.test'),
    result: 'failed',
    reason: 'missing',
    identifiers: [],
  } as const;
  lines.push(
    outcomeTable([{ ...outcome, error: { code, message } }])
      .split('\n')
      .slice(1)
      .join('\n'),
  );
  for (const line of lines) {
    assert.doesNotMatch(line.replace(/\n$/, ''), /[\p{C}\p{Zl}\p{Zp}]/u, `${says}: ${JSON.stringify(line)}`);
  }
}

/** @returns what it throws, if it does */
const thrown = async (work: () => unknown) => {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
};

const url = 'https://ca.test/resource/1';
const PROBLEM = {
  type: 'urn:ietf:params:acme:error:unauthorized',
  detail: 'it says no',
  identifier: { type: 'dns', value: 'a.test' },
  subproblems: [
    { type: 'urn:ietf:params:acme:error:caa', detail: 'no', identifier: { type: 'dns', value: 'b.test' } },
  ],
};
const CHALLENGE = { type: 'http-01', url, status: 'invalid', token: 'a'.repeat(22), error: PROBLEM };
const AUTHORIZATION = {
  status: 'invalid',
  identifier: { type: 'dns', value: 'a.test' },
  challenges: [CHALLENGE],
};
const ORDER = {
  ...{ status: 'invalid', identifiers: [{ type: 'dns', value: 'a.test' }], authorizations: [url] },
  ...{ finalize: url, certificate: url, expires: noon.toISOString(), error: PROBLEM },
};
const clock = fakeClock();

const RESOURCES: [says: string, document: unknown, read: (client: AcmeClient) => Promise<unknown>][] = [
  ['new order', ORDER, (client) => newOrder(client, { identifiers: [{ type: 'dns', value: 'a.test' }] })],
  [
    'order that is waited for',
    { ...ORDER, status: 'processing' },
    (client) => waitOrder(client, { ...ORDER, url } as Order, ['valid'], { ...clock, deadline: clock.now() }),
  ],
  [
    'authorization',
    AUTHORIZATION,
    async (client) => {
      throw notValid(await getAuthorization(client, url));
    },
  ],
  [
    'authorization that is waited for',
    { ...AUTHORIZATION, status: 'pending' },
    async (client) => {
      const authorization = await getAuthorization(client, url);
      const [challenge] = authorization.challenges;
      await waitValid(
        client,
        authorization,
        { ...clock, deadline: clock.now() },
        challenge && { challenge, until: clock.now() },
      );
    },
  ],
  ['account', { status: 'odd', contact: ['mailto:a@a.test'], orders: url }, getAccount],
];

for (const [says, document, read] of RESOURCES) {
  test(`ACME ${says}: no field of it acts`, async () => {
    let count = 0;
    for (const planted of plantedIn(document)) {
      const client = await clientOf(fakeCa(() => answer(planted)));
      const error = await thrown(() => read(client));
      if (error === undefined) continue;
      count += 1;
      assertHarmless(error, JSON.stringify(planted));
    }
    assert.ok(count > 0);
  });
}

test('problem documents: no field of them acts', () => {
  for (const planted of plantedIn(PROBLEM)) assertHarmless(new AcmeProblem(planted as never, 403), '');
});

test('ACME directory: no URL that it names acts, whatever asks there, and no header', async () => {
  const { exchange, close } = createTransport({
    userAgent: 'test',
    timeoutMs: 1000,
    remainingMs: () => 5000,
  });
  const names = ['newNonce', 'newAccount', 'newOrder', 'renewalInfo'] as const;
  for (const name of names) {
    const directory = { ...DIRECTORY, [name]: EVIL } as Directory;
    const read = await readDirectory(
      async () => ({ status: 200, headers: {}, data: directory }),
      url,
      () => noon,
    );
    assertHarmless(await thrown(() => exchange('GET', read[name] ?? '')), name);
  }
  close();
  const refused = async () => ({
    status: 200,
    headers: {},
    data: { ...DIRECTORY, newOrder: 1, [EVIL]: EVIL },
  });
  assertHarmless(await thrown(() => readDirectory(refused, url, () => noon)), 'no directory');
  const renewal = async () => ({
    status: 200,
    headers: {},
    data: { suggestedWindow: { start: EVIL, end: EVIL } },
  });
  assertHarmless(
    await thrown(() => getRenewalInfo(renewal, { ...DIRECTORY, renewalInfo: EVIL } as Directory, 'id', noon)),
    'renewal information',
  );
});

test('Location, Link and Retry-After: none of them acts', async () => {
  const headers = { location: EVIL, link: `<${EVIL}>;rel="alternate"`, 'retry-after': EVIL };
  const client = await clientOf(fakeCa(() => answer(ORDER, { headers })));
  // As a path it is a URL, and percent-encoded.
  assert.doesNotMatch((await newOrder(client, { identifiers: [] })).url, /[\p{C}\p{Zl}\p{Zp}]/u);
  const http = { headers: { location: `http://ca.test/${EVIL}` } };
  const refused = await clientOf(fakeCa(() => answer(ORDER, http)));
  assertHarmless(await thrown(() => newOrder(refused, { identifiers: [] })), 'newOrder');
  assertHarmless(await thrown(() => downloadChain(client, EVIL, 'x')), 'chain');
  const { url: accountUrl } = await newAccount(client, { contact: [], termsOfServiceAgreed: true }).catch(
    () => ({ url: '' }),
  );
  assert.ok(
    accountUrl === '' || accountUrl === EVIL,
    'kept as the CA says it: it is printed through printable()',
  );
});

test('DNS: CAA records that say anything', () => {
  const request = { identifier: 'a.test', issuers: ['ca.test'], accountUri: undefined, method: 'http-01' };
  for (const record of [
    { isCritical: true, tag: EVIL, value: EVIL },
    { isCritical: false, tag: 'issue', value: EVIL },
    { isCritical: false, tag: 'issue', value: `ca.test; accounturi=${EVIL}` },
    { isCritical: false, tag: 'issue', value: `ca.test; validationmethods=${EVIL}` },
  ]) {
    assert.doesNotMatch(caaProblem([record], request) ?? '', /[\p{C}\p{Zl}\p{Zp}]/u);
  }
});

test('listings: an object whose key is no name of a host is no host, and its key does not act in a log', async () => {
  const bucket = memoryBucket();
  bucket.plant(`status/${fleet}/${EVIL}.json`, '{}');
  bucket.plant(`status/${fleet}/lb1.json`, EVIL);

  const { statuses, unreadable } = await readStatuses(bucket, fleet);

  assert.deepEqual(statuses, []);
  assert.equal(unreadable.length, 2);
  const lines: string[] = [];
  for (const log of [textLog, jsonLog]) {
    log(
      (line) => lines.push(printableLines(line)),
      () => noon,
    )('status.unreadable', { hosts: unreadable.map(({ host, code }) => `${host}: ${code}`) });
  }
  for (const line of lines) assert.doesNotMatch(line.replace(/\n$/, ''), /[\p{C}\p{Zl}\p{Zp}]/u);
});
