/** Whatever one CA does, a pass comes to the next one: where no order record keeps the failure, and in an emergency at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import { AcmeProblem, NoAcmeAnswer } from '../../../../lambda/acme/problem.ts';
import { afterPass } from '../../../../lambda/pass/after-pass.ts';
import { runPass } from '../../../../lambda/pass/run-pass.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../support/clock.ts';
import { DIRECTORY_URL, makeConfig, makeEntry, makePemRef } from '../../../support/issuer/documents.ts';
import { answer, clientOf, fakeCa, refuse, urn } from '../../../support/issuer/fake-ca.ts';
import { passOver, publishEntry, unreachableCa } from '../../../support/issuer/pass.ts';

const SECOND = 'https://second.test/dir';

/** @returns by which CAs the pass was served, in order, for each of `passes` that come `everyMs` */
async function askedIn(
  failure: Error | undefined,
  { passes = 4, everyMs = 30 * MINUTE_MS, daysLeft = 0, names = ['a.test'], certificate = {} } = {},
): Promise<string[][]> {
  const bucket = memoryBucket(() => noon);
  if (daysLeft > 0) {
    const lifetime = {
      notBefore: after(noon, (daysLeft - 90) * DAY_MS),
      notAfter: after(noon, daysLeft * DAY_MS),
    };
    const pem = makePemRef({
      notBefore: lifetime.notBefore.toISOString(),
      notAfter: lifetime.notAfter.toISOString(),
    });
    await publishEntry(bucket, 'a.test', makeEntry({ pems: [pem] }));
  }
  let asked: string[] = [];
  const caThatFails = (name: string, error: Error | undefined) => ({
    ...unreachableCa(),
    account: async () => {
      asked.push(name);
      if (error !== undefined) throw error;
      return clientOf(fakeCa(() => assert.fail('an order is placed')));
    },
  });
  const cas = new Map([
    [DIRECTORY_URL, caThatFails('first', failure)],
    [SECOND, caThatFails('second', new NoAcmeAnswer('ECONNRESET'))],
  ]);
  const certificates = names.map((name) => ({ identifiers: [name], ...certificate }));
  const { passFor, clock } = passOver(bucket, { cas });
  const [acme, fallback] = [DIRECTORY_URL, SECOND].map((directoryUrl) => ({
    directoryUrl,
    termsOfServiceAgreed: true,
  }));
  const config = makeConfig(certificates, { acme, fallback: [fallback], concurrency: 1 });
  const all: string[][] = [];
  for (let pass = 0; pass < passes; pass += 1) {
    asked = [];
    const timing = { ...clock, deadline: after(clock.now(), 15 * MINUTE_MS) };
    const opened = { ...passFor(certificates), config, timing };
    await afterPass(opened, undefined, await runPass(opened));
    all.push(asked);
    clock.advance(everyMs);
  }
  return all;
}

const problem = (type: string, status: number) => new AcmeProblem({ type: urn(type) }, status);
const OUTAGES: [says: string, error: Error][] = [
  ['gives no answer', new NoAcmeAnswer('ECONNREFUSED')],
  ['answers 500', new AcmeProblem({ type: 'about:blank' }, 500)],
  ['answers 404', new AcmeProblem({ type: 'about:blank' }, 404)],
  ['answers 429', problem('rateLimited', 429)],
  ['wants a binding', problem('externalAccountRequired', 403)],
  ['calls the account malformed', problem('malformed', 400)],
];

for (const [says, error] of OUTAGES) {
  test(`a first CA that ${says} is not waited for: from the second pass on each pass comes to the next one, however rarely passes come`, async () => {
    for (const everyMs of [30 * MINUTE_MS, 4 * HOUR_MS, DAY_MS]) {
      const all = await askedIn(error, { everyMs });

      assert.deepEqual(all[0], ['first']);
      assert.ok(
        all.slice(1).every((asked) => asked.includes('second')),
        `${everyMs}: ${JSON.stringify(all)}`,
      );
    }
  });
}

test('in an emergency the same pass comes to the next CA', async () => {
  for (const [says, error] of OUTAGES) {
    assert.deepEqual(await askedIn(error, { passes: 1, daysLeft: 3 }), [['first', 'second']], says);
  }
});

test('a profile that the first CA does not offer reaches the next one: at once where nothing is served, else at the second pass', async () => {
  const certificate = { profile: 'brief' };

  assert.deepEqual(await askedIn(undefined, { passes: 1, certificate }), [['first', 'second']]);
  const renewed = await askedIn(undefined, { passes: 3, daysLeft: 20, certificate });
  assert.deepEqual(renewed, [['first'], ['first', 'second'], ['first', 'second']]);
});

test('certificates that a CA has sent away with the first one go to the next CA as well', async () => {
  const [first, later] = await askedIn(problem('rateLimited', 429), {
    ...{ passes: 2, everyMs: 4 * HOUR_MS },
    names: ['a.test', 'b.test', 'c.test'],
  });

  assert.deepEqual(first, ['first'], 'the others wait for a moment');
  assert.deepEqual(later, ['first', 'second', 'second', 'second']);
});

test('names that a CA does not validate hold no place: the next certificate begins while they wait', async () => {
  const url = 'https://ca.test';
  const named: string[] = [];
  const ca = fakeCa(({ url: to, payload }) => {
    if (to.endsWith('/new-order')) {
      const { identifiers } = JSON.parse(payload);
      const [{ value }] = identifiers;
      named.push(value);
      const order = {
        status: 'pending',
        identifiers,
        authorizations: [`${url}/authz/${value}`],
        finalize: `${url}/f`,
      };
      return answer(order, { status: 201, headers: { location: `${url}/order/${value}` } });
    }
    const value = to.split('/').at(-1) ?? '';
    if (to.includes('/challenge/')) return answer({});
    if (!to.includes('/authz/')) return refuse('malformed', 404);
    const challenge = {
      type: 'http-01',
      url: `${url}/challenge/${value}`,
      status: 'pending',
      token: 'abcdefghijklmnopqrstuv',
    };
    return answer({ status: 'pending', identifier: { type: 'dns', value }, challenges: [challenge] });
  });
  const names = ['p1.test', 'p2.test', 'p3.test', 'z.test'];
  const certificates = names.map((name) => ({ identifiers: [name] }));
  const account = async () => clientOf(ca);
  const cas = new Map([[DIRECTORY_URL, { ...unreachableCa(), account }]]);
  const { passFor, events } = passOver(
    memoryBucket(() => noon),
    { cas },
  );

  await runPass({ ...passFor(certificates), config: makeConfig(certificates, { concurrency: 1 }) });

  assert.deepEqual(named, names);
  const story = events.names();
  const [ended, begun] = ['certificate.failed p1.test', 'certificate.due p2.test'].map((one) =>
    story.indexOf(one),
  );
  assert.ok(begun && ended && begun > 0 && begun < ended, story.join());
});
