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
import type { FileRecord } from '../../../../agent/state/file-record.ts';
import { ShardedMap, toRecord } from '../../../../agent/state/sharded-map.ts';
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

type Files = Record<string, FileRecord>;

const stateOf = (files: Files): AgentState => ({ files: ShardedMap.of(files) });

function after(outcome: Outcome, files: Files = { 'shop.pem': { certificate, written: [sha, oldSha] } }) {
  return withOutcomes(stateOf(files), [outcome], now).files.get('shop.pem');
}

test('before anything is written, both digests that a kill may leave on disk are ours', () => {
  const before = stateOf({ 'shop.pem': { certificate, written: [oldSha] } });

  const { files } = withIntents(before, [action('update')]);

  assert.deepEqual(files.get('shop.pem')?.written, [sha, oldSha]);
});

test('where nothing is to do, the state stays the very same: a pass over 10,000 certificates writes nothing', () => {
  const before = stateOf({ 'shop.pem': { certificate, written: [sha] } });

  const intended = withIntents(before, [action('keep')]);
  const done = withOutcomes(intended, [doneOutcome(action('keep'))], now);

  assert.equal(intended, before);
  assert.equal(done, before);
});

test('a success forgets the failure and the digest before; the proof is kept elsewhere', () => {
  const failure = { sha256: sha, code: 'ERR_X', message: 'm', attempts: 3, notBefore: now.toISOString() };
  const files = { 'shop.pem': { certificate, written: [sha, oldSha], failure } };

  const record = after(
    doneOutcome(action('update'), { ...NOTHING_DEPLOYED, handshakes: ['127.0.0.1:443'] }),
    files,
  );

  assert.deepEqual(record, {
    certificate,
    written: [sha],
  });
});

test('an adopted content is given up with the first proof of ours, also one made between two passes', () => {
  const files = { 'shop.pem': { certificate, written: [sha], adopted: oldSha } };
  const adoptedAfter = (kind: LoadingKind | NonLoadingKind, isProved: boolean) =>
    withOutcomes(stateOf(files), [doneOutcome(action(kind))], now, { isProved: () => isProved }).files.get(
      'shop.pem',
    )?.adopted;

  for (const kind of ['update', 'prove', 'keep'] as const) {
    assert.equal(adoptedAfter(kind, false), oldSha, kind);
    assert.equal(adoptedAfter(kind, true), undefined, kind);
  }
});

test('a refused version backs off 1, 10, 100 minutes, then daily', () => {
  let state = stateOf({ 'shop.pem': { certificate, written: [sha] } });
  const minutes: number[] = [];

  for (let attempt = 0; attempt < 5; attempt += 1) {
    state = withOutcomes(state, [failedOutcome(action('update'), refused)], now);
    minutes.push(
      (Date.parse(state.files.get('shop.pem')?.failure?.notBefore ?? '') - now.getTime()) / 60_000,
    );
  }

  assert.deepEqual(minutes, [1, 10, 100, 1440, 1440]);
  assert.equal(state.files.get('shop.pem')?.failure?.attempts, 5);
});

test('another publication begins to count anew', () => {
  const failure = { sha256: oldSha, code: 'ERR_X', message: 'm', attempts: 4, notBefore: now.toISOString() };

  const record = after(failedOutcome(action('update'), new PemRejected('ERR_PEM_NAMES', 'm')), {
    'shop.pem': { certificate, written: [sha], failure },
  });

  assert.equal(record?.failure?.attempts, 1);
  assert.equal(record?.failure?.notBefore, '2026-11-22T12:01:00.000Z');
});

test("a handshake that failed is the worker's, another failure is not", () => {
  const state = stateOf({ 'shop.pem': { certificate, written: [sha] } });
  const pidAfter = (error: Error) =>
    withOutcomes(state, [failedOutcome(action('prove'), error)], now, { pid: 7 }).files.get('shop.pem')
      ?.failure?.pid;
  const target = { address: '127.0.0.1:443', servername: 'shop.test' };

  assert.equal(pidAfter(new HandshakeFailed('ERR_HANDSHAKE_CERTIFICATE', target, 'm')), 7);
  assert.equal(pidAfter(new PemRejected('ERR_PEM_NAMES', 'm')), undefined);
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

  const files = withoutFailures(new Map([['shop.pem', { certificate, written: [sha], failure }]]));

  assert.deepEqual(toRecord(files), { 'shop.pem': { certificate, written: [sha] } });
});

test('a plan that is applied again: what the first application has done counts where the second found it done', () => {
  const [updated, failed] = [doneOutcome(action('update')), failedOutcome(action('update'), refused)];
  const [kept, again] = [doneOutcome(action('keep')), doneOutcome(action('load'))];
  const removed = doneOutcome({ ...removal('remove'), file: 'old.pem' });

  assert.deepEqual(withEarlier([updated, removed], [kept]), [updated, removed]);
  assert.deepEqual(withEarlier([failed], [kept]), [kept]);
  assert.deepEqual(withEarlier([updated], [again]), [again]);
});

/** As a manifest of version 2 names it. */
function withSequence(kind: LoadingKind | NonLoadingKind, sequence: number, sha256 = sha): Action {
  const before = action(kind, sha256);
  if (before.desired === undefined) throw new TypeError('wanted a desired file');
  return { ...before, desired: { ...before.desired, sequence, receipt: `r${sequence}` } };
}

test('the receipt is recorded before the file is written, and the one before it until the new file is there', () => {
  const first = withIntents(stateOf({}), [withSequence('install', 5, oldSha)]);
  const second = withIntents(first, [withSequence('update', 7)]);
  const done = withOutcomes(second, [doneOutcome(withSequence('update', 7))], now);

  const receiptsIn = ({ files }: AgentState) =>
    files.get('shop.pem')?.receipts?.map(({ sha256, sequence, receipt }) => [sha256, sequence, receipt]);
  assert.deepEqual(receiptsIn(second), [
    [sha, 7, 'r7'],
    [oldSha, 5, 'r5'],
  ]);
  assert.deepEqual(receiptsIn(done), [[sha, 7, 'r7']]);
  assert.equal(withIntents(done, [withSequence('keep', 7)]), done);
});

test('an older manifest with the same PEM does not make the file older; a later one makes it later', () => {
  const first = withIntents(stateOf({}), [withSequence('keep', 7)]);

  assert.equal(withIntents(first, [withSequence('keep', 5)]), first);
  assert.equal(
    withIntents(first, [withSequence('keep', 9)]).files.get('shop.pem')?.receipts?.[0]?.sequence,
    9,
  );
});

test('a file that the manifest names no more is marked once, and not any more when it is named again', () => {
  const { desired, ...rest } = withSequence('keep', 7) as Extract<Action, { desired: object }>;
  const unlisted = { ...rest, desired: { ...desired, isUnlisted: true } } as Action;
  const state = withIntents(stateOf({}), [unlisted]);

  const marked = withOutcomes(state, [doneOutcome(unlisted)], now);
  const again = withOutcomes(marked, [doneOutcome(unlisted)], new Date(now.getTime() + 1));
  const named = withOutcomes(marked, [doneOutcome(withSequence('keep', 7))], now);

  assert.equal(marked.files.get('shop.pem')?.unlisted?.since, now.toISOString());
  assert.equal(again, marked);
  assert.equal(named.files.get('shop.pem')?.unlisted, undefined);
});
