// The walk of every row: publish, spoil, fail with a code and lose nothing, mend, publish anew with no more
// orders than it takes.

import assert from 'node:assert/strict';
import type { PassOptions } from '../../../lambda/pass.ts';
import type { HostileCa } from '../../support/hostile-ca/hostile-ca.ts';
import { assertWhole, type IssuingStage, type PassReport, type Scene } from './stage.ts';

export interface Row {
  name: string;
  /** the first certificate of a new account; otherwise a renewal of one that is published */
  isFirst?: boolean;
  identifiers?: string[];
  spoil: (ca: HostileCa, scene: Scene) => void;
  /** what mends the rest; all faults are over by then */
  mend?: (ca: HostileCa, scene: Scene) => void | Promise<void>;
  /** the faults go on, and the next pass gets through them */
  isLasting?: boolean;
  /** of the failure, default: any of an ACME failure; or issued all the same; or both are right */
  code?: RegExp | 'issued' | 'either';
  message?: RegExp;
  /** failed passes before the good one */
  failures?: number;
  /** made by the CA from the first spoilt pass on; default 1 */
  orders?: number | 'one or two';
  /** bounds of the wait for the next attempt, in seconds */
  waits?: [least: number, most: number];
  seconds?: number;
}

export const acmeFailure = /^ERR_(ACME_(PROBLEM|UNREACHABLE|DEADLINE)|AUTHORIZATION|PEM_[A-Z_]+)$/;

export async function drive(stage: IssuingStage, row: Row): Promise<void> {
  const scene = await stage.scene({ certificates: [row.identifiers ?? ['a.example.test']] });
  const { ca } = scene;
  if (!row.isFirst) assert.equal((await scene.pass()).outcome.result, 'issued');
  const published = await scene.manifest();
  const ordersBefore = ca.ordersMade();
  row.spoil(ca, scene);

  let report = await scene.pass(row.isFirst ? {} : { force: true }, row.seconds);
  if (isPebblesOwn(report)) return drive(stage, row);
  const isIssued = row.code === 'issued' || (row.code === 'either' && report.outcome.result === 'issued');
  for (let failure = 0; failure < (row.failures ?? 1) && !isIssued; failure += 1) {
    if (failure > 0) report = await nextAttempt(scene, row);
    assertFailed(report, row);
    assert.deepEqual(await scene.manifest(), published);
    await assertWhole(scene);
  }

  if (!isIssued) {
    if (!row.isLasting) ca.clear();
    await row.mend?.(ca, scene);
    report = await nextAttempt(scene, row);
    if (isPebblesOwn(report)) return drive(stage, row);
  }
  await assertIssued(scene, report, published?.certificates);
  const { orders = 1 } = row;
  const made = ca.ordersMade() - ordersBefore;
  const isRight = orders === 'one or two' ? made === 1 || made === 2 : made === orders;
  assert.ok(isRight, `${made} orders made, wanted ${orders}; ${report.log}`);
}

/**
 * Two of Pebble 2.10's own: 0 % of reused authorizations are 1 % (it wants a random number > 0), and such an order
 * meets no fault; and it finds the order that `replaces` names only some time after it has handed out the certificate.
 */
const isPebblesOwn = ({ log }: PassReport) =>
  /"order.created"[^}]*"status":"ready"|could not find order resulting in the given/.test(log);

function assertFailed({ outcome, log }: PassReport, row: Row): void {
  const { message = /^/ } = row;
  const code = row.code instanceof RegExp ? row.code : acmeFailure;
  assert.equal(outcome.result, 'failed', log);
  assert.match(outcome.error?.code ?? '', code, `${outcome.error?.message}; ${log}`);
  assert.match(outcome.error?.message ?? '', message);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a CA must not write to a terminal
  assert.doesNotMatch(outcome.error?.message ?? '', /[\x00-\x1f\x7f-\x9f]/);
  assert.doesNotMatch(log, /PRIVATE KEY|ERR_UNEXPECTED/);
}

async function assertIssued(
  scene: Scene,
  { outcome, log }: PassReport,
  published: object = {},
): Promise<void> {
  assert.equal(outcome.result, 'issued', log);
  const certificates = (await scene.manifest())?.certificates ?? {};
  assert.notDeepEqual(certificates, published);
  assert.ok(Object.values(certificates).every(({ pems }) => pems[0]?.serial === outcome.serial));
  await assertWhole(scene);
  assert.deepEqual(await scene.bucket.list('challenge/'), [], 'no token is left');
  assert.deepEqual(await scene.bucket.list('issuer/order/'), [], 'no order is left');
}

/** The next pass that does something: when the issuer says, and by force where it knows of nothing to do. */
async function nextAttempt(scene: Scene, row: Row): Promise<PassReport> {
  let options: PassOptions = {};
  for (let look = 0; look < 5; look += 1) {
    const before = scene.ca.count('newOrder');
    const report = await scene.pass(options, row.seconds);
    const { result, until } = report.outcome;
    if (result !== 'kept' && result !== 'deferred') {
      assert.ok(row.waits === undefined || look > 0, `it should have waited; ${report.log}`);
      return report;
    }
    assert.equal(scene.ca.count('newOrder'), before, 'what is kept or deferred is not ordered');
    if (result === 'kept') options = { force: true };
    else waitUntil(new Date(until ?? 0), scene, look === 0 ? row.waits : undefined);
  }
  throw new Error('deferred again and again');
}

function waitUntil(until: Date, scene: Scene, [least, most]: [number, number] = [0, 40 * 86_400]): void {
  const seconds = (until.getTime() - scene.now().getTime()) / 1000;
  assert.ok(seconds >= least && seconds <= most, `waits ${seconds} s, wanted ${least} to ${most}`);
  scene.moveTo(until);
}
