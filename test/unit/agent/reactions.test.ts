import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isHandshakeErrorCode, isRuntimeErrorCode, REACTIONS, reactionTo } from '../../../agent/reactions.ts';

/** By hand, and apart from the table in the source: a code that changes its reaction changes what a host serves. */
const reload = [
  'ERR_RUNTIME_NO_SOCKET',
  'ERR_RUNTIME_PAYLOAD_SIZE',
  'ERR_RUNTIME_UNSUPPORTED',
  'ERR_RUNTIME_IN_USE',
  'ERR_RUNTIME_CRT_LIST',
  'ERR_RUNTIME_LOCK_BROKEN',
  'ERR_RUNTIME_READ_BACK',
  'ERR_RUNTIME_DETACHED',
];
const waiting = [
  'ERR_RUNTIME_SOCKET_MISSING',
  'ERR_RUNTIME_SOCKET_REFUSED',
  'ERR_RUNTIME_SOCKET_DENIED',
  'ERR_RUNTIME_SOCKET_IO',
  'ERR_RUNTIME_NOT_ADMIN',
  'ERR_RUNTIME_TIMEOUT',
  'ERR_RUNTIME_SHORT_ANSWER',
  'ERR_RUNTIME_ANSWER',
  'ERR_RUNTIME_LOCKED',
  'ERR_RUNTIME_VERSION',
  'ERR_RUNTIME_FOREIGN_TRANSACTION',
  'ERR_RUNTIME_RELOADED',
  'ERR_RUNTIME_TWO_ISSUERS',
  'ERR_CRT_LIST_FILE',
  'ERR_CRT_LIST_CHECK',
  'ERR_INSTALL',
  'ERR_STATE_DIRECTORY',
  'ERR_TRUST_PARAMETER',
  'ERR_BUCKET_URL',
  'ERR_BUCKET_DENIED',
  'ERR_BUCKET_IO',
  'ERR_BUCKET_ARCHIVED',
  'ERR_BUCKET_LOCK',
  'ERR_BUCKET_CONFLICT',
  'ERR_BUCKET_MISSING',
  'ERR_BUCKET_CREDENTIALS',
  'ERR_BUCKET_CLOCK',
  'ERR_BUCKET_UNREACHABLE',
  'ERR_BUCKET_CONDITIONS',
];
const refused = [
  'ERR_RUNTIME_REFUSED',
  'ERR_HANDSHAKE_CONNECT',
  'ERR_HANDSHAKE_TIMEOUT',
  'ERR_HANDSHAKE_REFUSED',
  'ERR_HANDSHAKE_CERTIFICATE',
  'ERR_HANDSHAKE_CHAIN',
  'ERR_HANDSHAKE_OVERLAP',
  'ERR_CERTS_DIRECTORY',
  'ERR_CRT_LIST_LINE',
  'ERR_INSTALL_NOT_OURS',
  'ERR_UPDATE_UNDONE',
  'ERR_RELOAD_CHECK',
  'ERR_RELOAD_COMMAND',
  'ERR_MANIFEST_MISSING',
  'ERR_MANIFEST_REFUSED',
  'ERR_PEM_MISSING',
  'ERR_CONFIG',
  'ERR_USAGE',
  'ERR_PEM_SYNTAX',
  'ERR_PEM_SIZE',
  'ERR_PEM_DIGEST',
  'ERR_PEM_KEY',
  'ERR_PEM_KEY_MISMATCH',
  'ERR_PEM_KEY_WEAK',
  'ERR_PEM_KEY_TYPE',
  'ERR_PEM_CHAIN',
  'ERR_PEM_NAMES',
  'ERR_PEM_VALIDITY',
  'ERR_MANIFEST_SCHEMA',
  'ERR_MANIFEST_VERSION',
  'ERR_MANIFEST_SIGNATURE',
  'ERR_MANIFEST_REQUIRES',
  'ERR_MANIFEST_SHARD',
  'ERR_KEYS_SCHEMA',
  'ERR_KEYS_VERSION',
  'ERR_STATUS_SCHEMA',
  'ERR_STATUS_VERSION',
  'ERR_BUCKET_SIZE',
  'ERR_UNEXPECTED',
];

test('each code has its reaction', () => {
  const expected = Object.entries({ reload, waiting, refused }).flatMap(([reaction, codes]) =>
    codes.map((code) => [code, reaction]),
  );

  assert.deepEqual(REACTIONS, Object.fromEntries(expected));
});

test('a failure without a code of ours is refused, as a bug is', () => {
  for (const error of [new TypeError('m'), Object.assign(new Error('m'), { code: 'ENOENT' }), undefined]) {
    assert.equal(reactionTo(error), 'refused');
  }

  assert.equal(reactionTo(Object.assign(new Error('m'), { code: 'constructor' })), 'refused');
});

test('each code has its line in docs/agent-codes.md or docs/errors.md', () => {
  const documents = ['agent-codes.md', 'errors.md'].map((file) =>
    readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8'),
  );
  const rows = documents.flatMap((text) => text.split('\n').filter((line) => line.startsWith('| `ERR_')));
  const documented = rows.flatMap((row) => [...row.matchAll(/`(ERR_[A-Z_]+)`/g)].map(([, code]) => code));

  for (const code of Object.keys(REACTIONS)) assert.ok(documented.includes(code), code);
});

test("HAProxy's codes and the handshake's are known by their class", () => {
  const codes = Object.keys(REACTIONS);
  const named = (prefix: string) => codes.filter((code) => code.startsWith(prefix));

  assert.deepEqual(codes.filter(isRuntimeErrorCode), named('ERR_RUNTIME_'));
  assert.deepEqual(codes.filter(isHandshakeErrorCode), named('ERR_HANDSHAKE_'));
});
