/** When a certificate goes from one CA to another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { OrderRecord } from '../../../../lambda/order/record.ts';
import { type DueInput, decide } from '../../../../lambda/pass/due.ts';
import { after, noon } from '../../../support/clock.ts';
import {
  DIRECTORY_URL,
  makeDueInput,
  makeEntry,
  makeRecord,
  makeSpec,
} from '../../../support/issuer/documents.ts';

const SECOND = 'https://second.test/dir';
const cas = [{ directoryUrl: DIRECTORY_URL }, { directoryUrl: SECOND }];
const published = makeEntry();
const [pem] = published.pems;
const almostOver = after(new Date(pem?.notAfter ?? 0), -HOUR_MS);

type Failure = NonNullable<OrderRecord['lastFailure']>;
const CA: Partial<Failure> = { isCaFault: true };
const POLICY: Partial<Failure> = { isPolicy: true };
const STUCK: Partial<Failure> = { isCaFault: true, code: 'ERR_ACME_STUCK' };

/** A record that failed a minute ago and is due again now. */
function failed(
  failures: number,
  how: Partial<Failure>,
  changes: Partial<OrderRecord> & { now?: Date } = {},
) {
  const { now = noon, ...rest } = changes;
  const lastFailure = { at: after(now, -MINUTE_MS), code: 'ERR', message: '', isCaFault: false, ...how };
  return makeRecord({ failures, lastFailure, notBefore: now, ...rest });
}

const deciding = (record: OrderRecord, changes: Partial<DueInput> = {}) => {
  const decision = decide(makeDueInput({ cas, published, record, ...changes }));
  return 'directoryUrl' in decision ? `${decision.reason} ${decision.directoryUrl}` : decision.reason;
};
const toSecond = `ca-failing ${SECOND}`;
const again = `retry ${DIRECTORY_URL}`;

for (const [says, record, decision] of [
  ['one failure of the CA: it may be bad luck', failed(1, CA), again],
  ['two failures of the CA', failed(2, CA), toSecond],
  ["one refusal by the CA's own policy", failed(1, POLICY), again],
  ["two refusals by the CA's own policy", failed(2, POLICY), toSecond],
  ['an order that the CA did not end: it has taken its time', failed(1, STUCK), toSecond],
  ['one answer that puts it off for days', failed(1, CA, { notBefore: after(noon, 31 * DAY_MS) }), toSecond],
  [
    'one answer that puts it off for an hour',
    failed(1, CA, { notBefore: after(noon, HOUR_MS) }),
    'backing-off',
  ],
  ['five failures of a name, which no CA helps', failed(5, {}), again],
] as const) {
  test(`due, fallback: ${says}`, () => assert.equal(deciding(record), decision));
}

for (const [says, how, decision] of [
  ["the CA's fault", CA, toSecond],
  ["the CA's own policy", POLICY, toSecond],
  ['a name that cannot be validated', {}, again],
] as const) {
  test(`due, fallback: in an emergency one failure is enough, if it is ${says}`, () => {
    const record = failed(1, how, { now: almostOver });

    assert.equal(deciding(record, { now: almostOver }), decision);
  });
}

const UNTRUSTED: Partial<Failure> = { isPolicy: true, code: 'ERR_CA_UNTRUSTED' };
const refusedSecond = [{ directoryUrl: DIRECTORY_URL }, { directoryUrl: SECOND, isRefused: true }];

test('due, fallback: a CA whose certificates may not be published is never chosen, and its order ends there', () => {
  const atSecond = failed(1, UNTRUSTED, { directoryUrl: SECOND, notBefore: after(noon, DAY_MS) });
  const third = 'https://third.test/dir';

  assert.equal(deciding(failed(2, CA), { cas: refusedSecond }), again);
  assert.equal(deciding(failed(1, CA, { now: almostOver }), { cas: refusedSecond, now: almostOver }), again);
  assert.equal(deciding(atSecond, { cas: refusedSecond }), `ca-failing ${DIRECTORY_URL}`);
  assert.equal(
    deciding(atSecond, { cas: [...refusedSecond, { directoryUrl: third }] }),
    `ca-failing ${third}`,
  );
  const none = refusedSecond.map((ca) => ({ ...ca, isRefused: true }));
  assert.equal(deciding(atSecond, { cas: none, forced: true }), 'trusted-in-force');
});

test('due, fallback: once nothing that browsers trust is in force, the order that was refused is resumed', () => {
  assert.equal(deciding(failed(1, UNTRUSTED)), again);
});

test('due, fallback: another CA that is paused keeps nothing from its own CA', () => {
  const paused = {
    cas: [{ directoryUrl: DIRECTORY_URL }, { directoryUrl: SECOND, pausedUntil: after(noon, DAY_MS) }],
  };

  assert.equal(deciding(failed(2, CA), paused), again);
  assert.equal(deciding(failed(2, CA, { now: almostOver }), { ...paused, now: almostOver }), toSecond);
  assert.equal(deciding(failed(2, CA, { notBefore: after(noon, MINUTE_MS) }), paused), 'backing-off');
});

test('due, fallback: after the last CA comes the first again, but not before the next attempt is due', () => {
  const waiting = failed(2, POLICY, { directoryUrl: SECOND, notBefore: after(noon, DAY_MS) });

  assert.equal(deciding(waiting), 'backing-off');
  assert.equal(deciding({ ...waiting, notBefore: noon }), `ca-failing ${DIRECTORY_URL}`);
  assert.equal(deciding(failed(5, {}, { directoryUrl: SECOND })), `retry ${SECOND}`);
  assert.equal(deciding(failed(5, CA), { cas: cas.slice(0, 1) }), again, 'there is no other');
});

test('due, fallback: an order at a CA that does not offer the configured profile is resumed, not dropped', () => {
  const spec = makeSpec({ profile: 'shortlived' });
  const inFlight = makeRecord({ directoryUrl: SECOND });

  assert.equal(deciding(inFlight, { spec }), `order-in-flight ${SECOND}`);
  assert.equal(
    deciding(failed(1, CA, { directoryUrl: SECOND, notBefore: after(noon, 1) }), { spec }),
    'backing-off',
  );
  assert.equal(
    deciding(makeRecord(), { spec }),
    `profile-changed ${DIRECTORY_URL}`,
    'the first CA is asked for it',
  );
  const other = makeRecord({ directoryUrl: SECOND, profile: 'classic' });
  assert.equal(deciding(other, { spec, published: undefined }), `missing ${DIRECTORY_URL}`);
});
