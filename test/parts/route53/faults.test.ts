// What Route 53 and STS answer on a bad day: each row ends with our code, loses nothing of the zone, and the next pass heals.
import assert from 'node:assert/strict';
import { after, beforeEach, mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf } from '#contract/errors.ts';
import { Route53Solver } from '../../../lambda/challenge/route53/solver.ts';
import { Route53Zone } from '../../../lambda/challenge/route53/zone.ts';
import { type DnsSettings, dns } from '../../../lambda/config/dns.ts';
import { refusals, startAws } from '../../aws/aws.ts';
import { normalizeName } from '../../aws/route53/names.ts';
import { issuerPolicies } from '../../e2e/aws-roles.ts';
import { furnish } from './account.ts';
import { actAs, CHANGE, denied, unfit, unwell } from './fault-rows.ts';

const aws = await startAws({ route53: { requestsPerSecond: 1_000, insyncAfterMs: 20 } });
after(aws.stop);
const asAdministrator = () => actAs({ ...aws.administrator.env, AWS_SESSION_TOKEN: '' });
after(asAdministrator());
const stage = { aws, ...furnish(aws) };
// The SDK waits by chance between its tries: here, not at all.
mock.method(Math, 'random', () => 0);
beforeEach(() => {
  aws.clearFaults();
  aws.route53.setInsyncAfter(20);
  asAdministrator();
});

function solverFor(hostedZones: DnsSettings['hostedZones'], seconds = 60) {
  const deadline = new Date(Date.now() + seconds * 1_000);
  // Waits are for Route 53's sake; the stand-in takes a thousand requests a second.
  const timing = { now: () => new Date(), deadline, sleep: (ms: number) => sleep(ms / 25) };
  return new Route53Solver(dns.parse({ hostedZones, resolvers: [aws.dns.address] }), timing);
}

const answersTo = (identifier: string) =>
  ['apex', 'wildcard'].map((token) => ({ identifier, token, keyAuthorization: `${token}.thumbprint` }));
const allRecords = () => aws.route53.zones.all().map(({ id }) => aws.route53.records(id));

for (const { says, begin, identifier = 'own.test', settings = () => [], code, message, mended } of [
  ...denied(stage),
  ...unwell(stage),
  ...unfit(stage),
]) {
  test(`Route 53: ${says}`, async () => {
    const answers = answersTo(identifier);
    const before = allRecords();
    begin?.();

    const solver = solverFor(settings(), code === 'ERR_ACME_DEADLINE' ? 3 : 60);
    const failure = await solver.present(answers).then(
      () => undefined,
      (error: unknown) => error,
    );
    // As a pass does it: what cannot be removed now is left to the next one.
    await solver.cleanUp(answers).catch(() => undefined);
    solver.close?.();

    assert.equal(codeOf(failure), code, messageOf(failure));
    assert.match(messageOf(failure), message);
    aws.clearFaults();
    aws.route53.setInsyncAfter(20);
    asAdministrator();
    const next = solverFor((mended ?? settings)());
    await next.present(answers);
    await next.cleanUp(answers);
    next.close?.();
    assert.deepEqual(allRecords().slice(0, before.length), before, 'the zones are as they were');
  });
}

for (const [says, fault, place] of [
  ['throttled twice', refusals.throttling(), { times: 2 }],
  ['PriorRequestNotComplete twice', refusals.priorRequestNotComplete(), { operation: CHANGE, times: 2 }],
  ['a reset before the answer', { before: 'reset' }, { operation: CHANGE, times: 1 }],
  ['a lost answer to a change that was made', { wire: 'reset' }, { operation: CHANGE, times: 1 }],
] as const) {
  test(`Route 53: ${says} is got over within the pass`, async () => {
    const answers = answersTo('shared.own.test');
    const before = allRecords();
    aws.fault(place, fault);

    const solver = solverFor([]);
    await solver.present(answers);
    const shown = allRecords()
      .flat()
      .find(({ name }) => name === '_acme-challenge.shared.own.test.');
    await solver.cleanUp(answers);
    solver.close?.();

    assert.equal(shown?.values.length, 3, 'ours beside theirs');
    assert.deepEqual(allRecords(), before);
  });
}

test('Route 53: a name that a CNAME leads out of the policy is denied alone', async () => {
  const led = {
    name: '_acme-challenge.led.own.test',
    type: 'CNAME',
    ttl: 60,
    values: ['elsewhere.own.test.'],
  };
  const zone = aws.route53.zones.find(stage.zones.own);
  aws.route53.setInsyncAfter(0);
  aws.route53.zones.publish(zone, [...zone.records, { ...led, name: normalizeName(led.name) }]);
  aws.route53.setInsyncAfter(20);
  const before = allRecords();
  actAs(aws.principal({ name: 'narrow', policies: issuerPolicies('certs', aws.accountId) }).env);
  const solver = solverFor([]);
  const answers = ['led.own.test', 'a.own.test', 'b.own.test'].map(answersTo);

  const ends = await Promise.allSettled(answers.map((some) => solver.present(some)));
  await Promise.allSettled(answers.map((some) => solver.cleanUp(some)));
  solver.close?.();

  assert.deepEqual(
    ends.map((end) => (end.status === 'rejected' ? codeOf(end.reason) : 'done')),
    ['ERR_DNS_DENIED', 'done', 'done'],
  );
  const [end] = ends;
  assert.match(
    end?.status === 'rejected' ? end.reason.message : '',
    /is denied in the issuer's account, for TXT at elsewhere\.own\.test in hosted zone own\.test \(Z/,
  );
  assert.deepEqual(allRecords(), before);
});

test('the rights for many names of a zone are tried with one change, and name by name only where it is denied', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `n${index}.own.test`);
  const change = mock.method(Route53Zone.prototype, 'change');
  const list = mock.method(Route53Zone.prototype, 'list');

  const allowed = await solverFor([]).checkRights(names);
  const [changes, lists] = [change.mock.callCount(), list.mock.callCount()];
  actAs(stage.account.without(`route53:${CHANGE}`));
  const denied = await solverFor([]).checkRights(names.slice(0, 3));
  change.mock.restore();
  list.mock.restore();

  assert.deepEqual([changes, lists], [1, 1]);
  assert.deepEqual(
    allowed.map(({ identifier, problem }) => [identifier, problem]),
    names.map((name) => [name, undefined]),
  );
  assert.equal(denied.length, 3);
  for (const { identifier, problem } of denied) {
    assert.match(problem ?? '', new RegExp(`is denied.* for TXT at _acme-challenge\\.${identifier} in`));
  }
});

test('a pre-flight says which records may be written, and changes nothing', async () => {
  const before = allRecords();
  const allowed = await solverFor([]).checkRights(['own.test']);
  actAs(stage.account.without(`route53:${CHANGE}`));
  const denied = await solverFor([]).checkRights(['own.test', 'nobody.test']);

  assert.match(allowed[0]?.location ?? '', /^_acme-challenge\.own\.test in hosted zone own\.test/);
  assert.equal(allowed[0]?.problem, undefined);
  assert.match(denied[0]?.problem ?? '', /^ERR_DNS_DENIED route53:ChangeResourceRecordSets is denied/);
  assert.match(denied[1]?.problem ?? '', /^ERR_DNS_LOOKUP/);
  assert.deepEqual(allRecords(), before);
});
