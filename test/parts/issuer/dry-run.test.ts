// Each command with --dry-run, over a bucket where it has something to do: not a byte is changed, and the CA is asked for nothing.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { serializePointer } from '../../../lambda/agents/release-pointer.ts';
import { TAKEN_BY } from '../../../lambda/commands/line/options.ts';
import type { Resource } from '../../support/hostile-ca/hostile-ca.ts';
import { startOperator } from '../../support/issuer/operator.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** What a command does without --dry-run is proved by its own tests; `says` is a part of what it prints with it. */
const ROWS: readonly (readonly [command: string, words: readonly string[], says: RegExp])[] = [
  ['run', ['run', '--force-renewal'], /planned/],
  ['plan', ['plan', '--force-renewal'], /planned/],
  [
    'plan',
    ['plan', '--days', '90'],
    /the next 90 days, until .*: \d+ orders for 1 certificates[\s\S]*not known: a CA may move/,
  ],
  [
    'revoke',
    ['revoke', 'a.test', '--reason', 'superseded'],
    /planned[\s\S]*a\.test: [0-9A-F]+ would be revoked \(superseded\), once every living host has proved/,
  ],
  [
    'revoke',
    ['revoke', 'a.test', '--reason', 'superseded', '--now'],
    /planned[\s\S]*a\.test: [0-9A-F]+ would be revoked \(superseded\)\n/,
  ],
  ['hold', ['hold', 'a.test', '--reason', 'a test'], /a\.test: would be held/],
  ['resume', ['resume', 'a.test'], /is not held/],
  [
    'revoke',
    ['revoke', 'a.test', '--no-replace', '--reason', 'keyCompromise'],
    /would be revoked \(keyCompromise\)/,
  ],
  ['renew', ['renew', 'a.test'], /planned/],
  ['notify', ['notify'], /waits for chat: pemfleet: /],
  [
    'rollback',
    ['rollback', 'a.test', '--reason', 'a test'],
    /a\.test: [0-9A-F]+ of .* would be published again/,
  ],
  ['replace', ['replace', '--all', '--yes'], /1 of [12] certificates would be replaced/],
  ['replace', ['replace', '--cancel'], /all requests would be ended/],
  ['withdraw', ['withdraw', 'gone.test', '--yes'], /gone\.test: would be withdrawn/],
  ['account', ['account'], /status {5}valid/],
  [
    'account',
    ['account', '--rollover'],
    /nothing was changed \(--dry-run\): the account would get another key/,
  ],
  ['account', ['account', '--contact'], /nothing was changed \(--dry-run\): the CA would be told/],
  [
    'account',
    ['account', '--new'],
    /nothing was changed \(--dry-run\): another account would take its place/,
  ],
  ['account', ['account', '--new', '--deactivate'], /nothing was changed/],
  [
    'account',
    ['account', '--deactivate'],
    /nothing was changed \(--dry-run\): the account would be deactivated/,
  ],
  ['take-over', ['take-over'], /would count on/],
  ['upgrade-agents', ['upgrade-agents', '--fleet', 'default'], /0 up to date, 0 to upgrade, 0 left out/],
  ['go-live', ['go-live'], /nothing to change/],
  ['key rotate', ['key', 'rotate'], /nothing was changed \(--dry-run\)/],
  ['key new', ['key', 'new', '--yes'], /nothing was changed \(--dry-run\)/],
  [
    'key recovery-key',
    ['key', 'recovery-key', '--recovery-key', 'FILE', '--out', 'NEW'],
    /nothing was changed \(--dry-run\)/,
  ],
  ['key recover', ['key', 'recover', '--recovery-key', 'FILE'], /nothing was changed \(--dry-run\)/],
];

/** Requests that tell the CA to do something; a POST of the account's URL without a payload only asks. */
const CHANGING: readonly Resource[] = [
  ...(['newAccount', 'newOrder', 'finalize', 'challenge', 'revokeCert', 'keyChange'] as const),
];

/**
 * Root's alone, and its exit status is that of its findings: test/parts/user has the dry run of `--fix`. What adopt wants is an old
 * client's machine, init one with the system user, import a certificate, and export a place for one: test/parts/issuer/{adopt,init,import},
 * and undo/export.
 */
const ELSEWHERE = ['doctor', 'adopt', 'init', 'import', 'export'];

test('every command that takes --dry-run has a row here', () => {
  const takers = Object.entries(TAKEN_BY).flatMap(([command, own]) =>
    (own as readonly string[]).includes('dry-run') ? [command] : [],
  );

  const rows = [...new Set(ROWS.map(([command]) => command)), ...ELSEWHERE];
  assert.deepEqual(rows.sort(), takers.sort());
});

test('nothing is changed by --dry-run, in the bucket and at the CA', async (t) => {
  const { bucket, ca, configure, files, pemfleet } = await startOperator(t);
  const dir = tempDir(t);
  const recoveryKey = join(dir, 'recovery.json');
  configure({ certificates: [{ identifiers: ['a.test'] }, { identifiers: ['gone.test'] }] });
  assert.equal((await pemfleet('run')).status, 0);
  assert.equal((await pemfleet('key', 'recovery-key', '--out', recoveryKey)).status, 0);
  const notify = { channels: { chat: { webhook: { url: 'http://127.0.0.1:1/' } } } };
  configure({ certificates: [{ identifiers: ['a.test'] }], notify });
  assert.equal((await pemfleet('take-over')).status, 0);
  assert.equal((await pemfleet('renew', 'a.test')).status, 0);
  await bucket.put(
    layout.agentRelease,
    serializePointer({ version: 1, current: { release: '0.2.0', machines: {} } }),
  );
  const before = files();
  const asked = ca.requests.length;
  const changes: unknown[] = [];
  ca.fault('account', ({ payload, forward }) => {
    if (payload !== undefined) changes.push(payload);
    return forward();
  });

  for (const [, words, says] of ROWS) {
    const real = words.map((word) => ({ FILE: recoveryKey, NEW: join(dir, 'new.json') })[word] ?? word);
    const { status, stdout, stderr } = await pemfleet(...real, '--dry-run');
    const line = `${words.join(' ')}: ${stdout}${stderr}`;
    assert.equal(status, 0, line);
    assert.match(stdout + stderr, says, words.join(' '));
    assert.deepEqual(files(), before, words.join(' '));
    const told = await pemfleet(...real, '--dry-run', '--json');
    assert.equal(JSON.parse(told.stdout).dryRun, true, `${words.join(' ')}: ${told.stdout}`);
  }

  assert.equal(existsSync(join(dir, 'new.json')), false);
  const told = ca.requests.slice(asked).filter(({ resource }) => CHANGING.includes(resource));
  assert.deepEqual([told, changes], [[], []]);
});
