/** A fallback CA that CAA records forbid costs no order: it is passed over, and that is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { NoAcmeAnswer } from '../../../../../lambda/acme/problem.ts';
import { readCaBudget } from '../../../../../lambda/ca/budget.ts';
import type { CaaAnswer } from '../../../../../lambda/challenge/caa-lookup.ts';
import { createOrderRecord } from '../../../../../lambda/order/record.ts';
import { decideAll } from '../../../../../lambda/pass/plan.ts';
import { runPass } from '../../../../../lambda/pass/run-pass.ts';
import { completeSurvey, surveyBucket } from '../../../../../lambda/pass/survey.ts';
import type { Pass } from '../../../../../lambda/pass.ts';
import { memoryBucket } from '../../../../support/bucket/memory-bucket.ts';
import { after, noon } from '../../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeConfig,
  makeEntry,
  makePemRef,
  makeRecord,
  named,
} from '../../../../support/issuer/documents.ts';
import { passOver, publishEntry, unreachableCa } from '../../../../support/issuer/pass.ts';

const [SECOND, THIRD] = ['https://second.test/dir', 'https://third.test/dir'];
const certificates = [{ identifiers: ['a.test', '192.0.2.1'] }];

const only = (...issuers: string[]): CaaAnswer => ({
  at: 'test',
  records: issuers.map((value) => ({ isCritical: false, tag: 'issue', value })),
});
const NO_ANSWER: CaaAnswer = { at: 'a.test', records: [], fault: 'ESERVFAIL' };

/** Three CAs that give no answer; the fallback CAs are `second.test` and `third.test` in CAA records. */
function setUp(answer: CaaAnswer, daysLeft?: number, limits = {}) {
  const bucket = memoryBucket(() => noon);
  const asked: string[] = [];
  const lookedUp: string[] = [];
  const settingsOf = (directoryUrl: string) => ({
    ...{ directoryUrl, termsOfServiceAgreed: true },
    caaIdentities: [new URL(directoryUrl).hostname],
  });
  const [acme, ...fallback] = [DIRECTORY_URL, SECOND, THIRD].map(settingsOf);
  const config = makeConfig(certificates, { acme: { ...acme, limits }, fallback });
  const cas = new Map(
    [config.acme, ...config.fallback].map((settings) => [
      settings.directoryUrl,
      {
        ...{ ...unreachableCa(), settings },
        account: async () => {
          asked.push(new URL(settings.directoryUrl).hostname);
          throw new NoAcmeAnswer('ECONNREFUSED');
        },
      },
    ]),
  );
  const caa = async (name: string) => {
    lookedUp.push(name);
    return answer;
  };
  const { passFor, events, clock } = passOver(bucket, { cas, caa });
  const published = async () => {
    if (daysLeft === undefined) return;
    const [notBefore, notAfter] = [daysLeft - 90, daysLeft].map((days) =>
      after(noon, days * DAY_MS).toISOString(),
    );
    const pems = [makePemRef({ notBefore: notBefore ?? '', notAfter: notAfter ?? '' })];
    const identifiers = certificates[0]?.identifiers ?? [];
    await publishEntry(bucket, 'a.test', makeEntry({ identifiers, pems }));
  };
  const pass = (): Pass => ({
    ...{ ...passFor(certificates), config },
    timing: { ...clock, deadline: after(clock.now(), 15 * MINUTE_MS) },
  });
  return { asked, bucket, clock, config, events, lookedUp, pass, published };
}

for (const [says, answer, wanted, forbidden] of [
  ['let the second CA issue', only('second.test', 'ca.test'), ['second.test'], []],
  ['let the third one issue', only('third.test'), ['third.test'], [SECOND]],
  ['let none of them issue', only('other.test'), [], [SECOND, THIRD]],
  ['have no answer', NO_ANSWER, ['second.test'], []],
  [
    'name an account of the second CA, which cannot say whether it is ours',
    only('second.test; accounturi=https://second.test/account/1'),
    ['second.test'],
    [],
  ],
] as const) {
  test(`where CAA records ${says}, [${wanted}] is asked in the place of the first CA`, async () => {
    const { asked, clock, events, lookedUp, pass } = setUp(answer);

    await runPass(pass());
    clock.advance(30 * MINUTE_MS);
    asked.length = 0;
    lookedUp.length = 0;
    await runPass(pass());

    const [first, next] = asked;
    assert.deepEqual([first, ...(next === undefined ? [] : [next])], ['ca.test', ...wanted]);
    assert.deepEqual(new Set(lookedUp), new Set(['a.test']), 'an address has no CAA');
    assert.deepEqual(
      [...new Set(events.fieldsOf('ca.forbidden').map(({ directory }) => directory))],
      forbidden,
    );
  });
}

test('in an emergency the next CA is asked, whatever CAA records say', async () => {
  const { asked, pass, published } = setUp(only('other.test'), 3);
  await published();

  await runPass(pass());

  assert.deepEqual(asked.slice(0, 2), ['ca.test', 'second.test']);
});

test('an order that the first CA refuses goes to the CA that CAA records allow, or stays where it is', async () => {
  const decisionBy = async (answer: CaaAnswer) => {
    const { bucket, pass } = setUp(answer);
    const failed = makeRecord({
      ...{ identifiers: certificates[0]?.identifiers ?? [], failures: 2, notBefore: noon },
      lastFailure: { at: after(noon, -DAY_MS), code: 'ERR_ACME_PROBLEM', message: 'x', isCaFault: true },
    });
    await createOrderRecord(bucket, named('a.test'), failed);
    const given = pass();
    const staples = { revoked: new Set<string>(), isPublished: false };
    const survey = await completeSurvey(given, await surveyBucket(given), staples);
    const [plan] = await decideAll(given, survey);
    return plan?.decision;
  };

  const obtain = { action: 'obtain', reason: 'ca-failing' };
  assert.deepEqual(await decisionBy(only('second.test')), { ...obtain, directoryUrl: SECOND });
  assert.deepEqual(await decisionBy(only('third.test')), { ...obtain, directoryUrl: THIRD });
  const resume = { action: 'resume', reason: 'retry', directoryUrl: DIRECTORY_URL };
  assert.deepEqual(await decisionBy(only('other.test')), resume);
});

for (const [says, answer, wanted] of [
  ['the second CA issue', only('second.test'), ['second.test']],
  ['the third one issue', only('third.test'), ['third.test']],
  ['neither issue', only('ca.test'), []],
] as const) {
  test(`a renewal without room at its CA, where CAA records let ${says}, goes to [${wanted}]`, async () => {
    const limits = { certificatesPerNames: { count: 1, hours: 168 } };
    const { asked, bucket, clock, config, lookedUp, pass, published } = setUp(answer, 20, limits);
    await published();
    const { now } = clock;
    const budget = await readCaBudget({ bucket, config, now, log: () => undefined });
    const identifiers = certificates[0]?.identifiers ?? [];
    budget.recordIssued({ directoryUrl: DIRECTORY_URL, identifiers, count: 1, certificates: 1 });
    await budget.save();

    const { outcomes } = await runPass(pass());

    assert.deepEqual(asked.slice(0, 1), wanted);
    assert.deepEqual(new Set(lookedUp), new Set(['a.test']));
    if (wanted.length === 0) assert.equal(outcomes[0]?.reason, 'order-budget');
  });
}

test('where there is room, no CAA record of a fallback CA is looked up', async () => {
  const { asked, lookedUp, pass, published } = setUp(only('ca.test'), 20);
  await published();

  await runPass(pass());

  assert.deepEqual([asked, lookedUp], [['ca.test'], []]);
});
