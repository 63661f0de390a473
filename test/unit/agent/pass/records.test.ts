import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PemRejected } from '#contract/errors.ts';
import { certificateName } from '#contract/layout.ts';
import {
  type Action,
  doneOutcome,
  failedOutcome,
  type LoadingKind,
  NOTHING_DEPLOYED,
  type NonLoadingKind,
  type Outcome,
  type RemovalKind,
} from '../../../../agent/deploy/action.ts';
import { HandshakeFailed, RuntimeCommandFailed } from '../../../../agent/errors.ts';
import { withEarlier, withIntents, withOutcomes, withoutFailures } from '../../../../agent/pass/records.ts';
import type { AgentState } from '../../../../agent/state/state.ts';

const [sha, oldSha] = ['a'.repeat(64), 'b'.repeat(64)];
const now = new Date('2026-11-22T12:00:00Z');
const certificate = certificateName.parse('shop');
const action = (kind: LoadingKind | NonLoadingKind, sha256 = sha): Action => ({
  kind,
  file: 'shop.pem',
  certificate,
  reason: 'r',
  desired: {
    ...{ file: 'shop.pem', certificate, key: 'k', sha256, size: 1, serial: '01', keyType: 'ec256' },
    ...{ chainLength: 2, identifiers: [], isPair: false, notBefore: now, notAfter: now, publishedAt: now },
  },
  isProvedLast: false,
});
const removal = (kind: RemovalKind): Action => ({
  kind,
  file: 'shop.pem',
  certificate,
  reason: 'r',
});
const refused = new RuntimeCommandFailed('ERR_RUNTIME_REFUSED', { verb: 'commit ssl cert' }, 'refused');

const stateOf = (files: AgentState['files']): AgentState => ({ version: 1, files });

function after(
  outcome: Outcome,
  files: AgentState['files'] = { 'shop.pem': { certificate, written: [sha, oldSha] } },
) {
  return withOutcomes(stateOf(files), [outcome], now).files['shop.pem'];
}

test('before anything is written, both digests that a kill may leave on disk are ours', () => {
  const before = stateOf({ 'shop.pem': { certificate, written: [oldSha] } });

  const { files } = withIntents(before, [action('update')]);

  assert.deepEqual(files['shop.pem']?.written, [sha, oldSha]);
});

test('where nothing is to do, the state stays the very same: a pass over 10,000 certificates writes nothing', () => {
  const before = stateOf({ 'shop.pem': { certificate, written: [sha] } });

  const intended = withIntents(before, [action('keep')]);
  const done = withOutcomes(intended, [doneOutcome(action('keep'))], now);

  assert.equal(intended, before);
  assert.equal(done, before);
});

test('a success forgets the failure and the digest before, and keeps the proof', () => {
  const failure = { sha256: sha, code: 'ERR_X', message: 'm', attempts: 3, notBefore: now.toISOString() };
  const files = { 'shop.pem': { certificate, written: [sha, oldSha], failure } };

  const record = after(
    doneOutcome(action('update'), { ...NOTHING_DEPLOYED, handshakes: ['127.0.0.1:443'] }),
    files,
  );

  assert.deepEqual(record, {
    certificate,
    written: [sha],
    proven: { sha256: sha, addresses: ['127.0.0.1:443'] },
  });
});

test('a refused version backs off 1, 10, 100 minutes, then daily', () => {
  let files: AgentState['files'] = { 'shop.pem': { certificate, written: [sha] } };
  const minutes: number[] = [];

  for (let attempt = 0; attempt < 5; attempt += 1) {
    ({ files } = withOutcomes(stateOf(files), [failedOutcome(action('update'), refused)], now));
    minutes.push((Date.parse(files['shop.pem']?.failure?.notBefore ?? '') - now.getTime()) / 60_000);
  }

  assert.deepEqual(minutes, [1, 10, 100, 1440, 1440]);
  assert.equal(files['shop.pem']?.failure?.attempts, 5);
});

test('another publication begins to count anew', () => {
  const failure = { sha256: oldSha, code: 'ERR_X', message: 'm', attempts: 4, notBefore: now.toISOString() };

  const record = after(failedOutcome(action('update'), new PemRejected('ERR_PEM_NAMES', 'm')), {
    'shop.pem': { certificate, written: [sha], failure },
  });

  assert.equal(record?.failure?.attempts, 1);
  assert.equal(record?.failure?.notBefore, '2026-11-22T12:01:00.000Z');
});

test('a handshake is tried again after 10 minutes at most', () => {
  const failure = { sha256: sha, code: 'ERR_X', message: 'm', attempts: 7, notBefore: now.toISOString() };
  const target = { address: '127.0.0.1:443', servername: 'a.test' };
  const error = new HandshakeFailed('ERR_HANDSHAKE_CONNECT', target, 'refused');

  const record = after(failedOutcome(action('prove'), error), {
    'shop.pem': { certificate, written: [sha], failure },
  });

  assert.equal(record?.failure?.notBefore, '2026-11-22T12:10:00.000Z');
});

test('what only waits (HAProxy down, locked, foreign transaction) is no failure of the version', () => {
  for (const code of [
    'ERR_RUNTIME_SOCKET_MISSING',
    'ERR_RUNTIME_LOCKED',
    'ERR_RUNTIME_FOREIGN_TRANSACTION',
  ] as const) {
    const error = new RuntimeCommandFailed(code, { verb: 'set ssl cert' }, 'm');

    const record = after(failedOutcome(action('update'), error, { ...NOTHING_DEPLOYED, isWritten: true }));

    assert.deepEqual(record, { certificate, written: [sha, oldSha] });
  }
});

test('an installation that has failed before it wrote a file leaves nothing of ours', () => {
  const missing = new PemRejected('ERR_PEM_DIGEST', 'm');
  const files = { 'shop.pem': { certificate, written: [sha] } };

  const unwritten = after(failedOutcome(action('install'), missing), files);
  const written = after(
    failedOutcome(action('install'), missing, { ...NOTHING_DEPLOYED, isWritten: true }),
    files,
  );

  assert.deepEqual(unwritten?.written, []);
  assert.equal(unwritten?.failure?.code, 'ERR_PEM_DIGEST');
  assert.deepEqual(written?.written, [sha]);
});

test('a removed or forgotten file is no longer ours; a removal that failed still is', () => {
  assert.equal(after(doneOutcome(removal('remove'))), undefined);
  assert.equal(after(doneOutcome(removal('forget'))), undefined);
  assert.ok(after(failedOutcome(removal('remove'), refused)));
});

test('--retry forgets failures and nothing else', () => {
  const failure = { sha256: sha, code: 'ERR_X', message: 'm', attempts: 7, notBefore: now.toISOString() };

  const files = withoutFailures({ 'shop.pem': { certificate, written: [sha], failure } });

  assert.deepEqual(files, { 'shop.pem': { certificate, written: [sha] } });
});

test('a plan that is applied again: what the first application has done counts where the second found it done', () => {
  const [updated, failed] = [doneOutcome(action('update')), failedOutcome(action('update'), refused)];
  const [kept, again] = [doneOutcome(action('keep')), doneOutcome(action('load'))];
  const removed = doneOutcome({ ...removal('remove'), file: 'old.pem' });

  assert.deepEqual(withEarlier([updated, removed], [kept]), [updated, removed]);
  assert.deepEqual(withEarlier([failed], [kept]), [kept]);
  assert.deepEqual(withEarlier([updated], [again]), [again]);
});
