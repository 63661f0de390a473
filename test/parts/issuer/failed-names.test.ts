/** Names that do not validate: each is told with its reason, backs off, and takes nothing from the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MINUTE_MS } from '#common/time.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import type { PresentedChallenge } from '../../../lambda/challenge/solver.ts';
import { edited, jumping, withMembers } from '../../support/issuer/edited.ts';
import { onlySolver } from '../../support/issuer/only-solver.ts';
import { type CaStage, startCaddyStage, startStage } from '../../support/issuer/stage.ts';

/** Nobody answers for names that begin with `bad`. */
function forgetful({ bucket }: CaStage) {
  const solver = http01Solver(bucket);
  const present = (challenges: readonly PresentedChallenge[]) =>
    solver.present(challenges.filter(({ identifier }) => !identifier.startsWith('bad')));
  return onlySolver({ ...solver, present });
}

const named = (word: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ identifiers: [`${word}${index}.test`] }));
const ten = named('bad', 10);
const three = named('good', 3);
const resultsOf = (outcomes: readonly { certificate: string; result: string }[], word: string) =>
  new Set(outcomes.flatMap(({ certificate, result }) => (certificate.startsWith(word) ? [result] : [])));

test('smallstep: ten names that do not validate, two at once: they fail with the reason and back off, the others are issued', async (t) => {
  const stage = await startCaddyStage(t);
  const certificates = [...ten, ...three];
  const config = stage.configOf(certificates, { concurrency: 2 });
  const changes = { config, solvers: forgetful(stage) };
  const begin = Date.now();

  const first = await stage.pass(certificates, {}, changes);
  const second = await stage.pass(certificates, {}, changes);

  assert.deepEqual(resultsOf(first, 'good'), new Set(['issued']));
  assert.deepEqual(resultsOf(first, 'bad'), new Set(['failed']));
  assert.match(first[0]?.error?.message ?? '', /^bad0\.test: http-01 challenge is pending: connection \(/);
  assert.deepEqual(resultsOf(second, 'bad'), new Set(['deferred']));
  assert.deepEqual(second[0]?.failure, first[0]?.failure);
  assert.ok(Date.now() - begin < MINUTE_MS, 'no name takes the pass');
});

test('smallstep: a challenge whose try failed is responded to again, in the same order', async (t) => {
  const stage = await startCaddyStage(t);
  const [certificate] = ten;
  await stage.pass([certificate ?? {}], {}, { solvers: forgetful(stage) });
  const before = stage.exchanged.length;
  stage.advance(MINUTE_MS);

  const [issued] = await stage.pass([certificate ?? {}]);

  assert.equal(issued?.result, 'issued', issued?.error?.message);
  const asked = stage.exchanged.slice(before).filter(({ method }) => method === 'POST');
  assert.equal(asked.filter(({ url }) => url.endsWith('/new-order')).length, 0);
  assert.equal(asked.filter(({ url }) => url.includes('/challenge/')).length, 1);
});

test('smallstep: every name of an order that failed is named', async (t) => {
  const stage = await startCaddyStage(t);
  const identifiers = ['bad1.test', 'good.test', 'bad2.test'];

  const [failed] = await stage.pass([{ identifiers }], {}, { solvers: forgetful(stage) });

  assert.equal(failed?.error?.code, 'ERR_AUTHORIZATION');
  assert.match(failed.error.message, /^bad1\.test: .*; bad2\.test: /);
});

test('ten names that the CA never validates, two at once: they wait five minutes each without a place, and a pass of 15 has time for the others', async (t) => {
  const stage = await startStage(t, { authzReuse: 0 });
  const certificates = [...ten, ...three];
  const config = stage.configOf(certificates, { concurrency: 2 });
  const minute = { 'retry-after': '60' };
  const isBad = ({ data }: { data: unknown }) => JSON.stringify(data).includes('"bad');
  const spoilt = edited(stage.exchange, '/authZ/', (response) =>
    isBad(response)
      ? withMembers({ status: 'pending', challenges: pendingOf(response.data) }, minute)(response)
      : response,
  );

  const { timing, exchange } = jumping(stage, spoilt, 900_000);

  const outcomes = await stage.pass(certificates, {}, { config, timing, cas: stage.casBy(exchange) });

  assert.deepEqual(resultsOf(outcomes, 'good'), new Set(['issued']));
  assert.deepEqual(
    new Set(outcomes.slice(0, 10).map(({ error }) => error?.code)),
    new Set(['ERR_ACME_STUCK']),
  );
});

function pendingOf(authorization: unknown): object[] {
  const { challenges } = authorization as { challenges: object[] };
  return challenges.map((challenge) => ({ ...challenge, status: 'pending', error: undefined }));
}
