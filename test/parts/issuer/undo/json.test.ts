// What commands print with --json, as docs/cli.md says it: with --dry-run, too, and nothing on stdout where they refuse (the program prints the error there).
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import type { Command } from '../../../../lambda/commands/command.ts';
import { exportCommand } from '../../../../lambda/commands/export/export.ts';
import { importCommand } from '../../../../lambda/commands/import/import.ts';
import { holdCommand, resumeCommand } from '../../../../lambda/commands/undo/hold.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { withdrawCommand } from '../../../../lambda/commands/withdraw.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { stage } from './stage.ts';

const WHY = ['--reason', 'a test'];
const HELD = ['certificate', 'at', 'reason', 'by', 'breaksAt'];

/** The keys of the document, and below each list those of its first element. */
function shapeOf(text: string): unknown[] {
  const document = JSON.parse(text) as object;
  return Object.entries(document).map(([key, value]) => {
    const [first] = Array.isArray(value) ? value : [];
    return typeof first === 'object' ? [key, Object.keys(first)] : key;
  });
}

test('each command: the same shape with --dry-run and without', async (t) => {
  const { dir, publish, run } = await stage(t);
  const { combined } = await (await createPki()).issue({
    names: ['kept.test'],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 300 * DAY_MS),
  });
  await publish('kept');
  await publish('kept');
  await publish('gone');
  await publish('other');
  const [chain, bought] = [join(dir, 'chain.pem'), join(dir, 'bought.pem')];
  writeFileSync(bought, combined);
  const rows: [Command, string[], unknown[]][] = [
    [holdCommand, ['hold', 'kept', ...WHY], ['version', 'dryRun', ['held', HELD]]],
    [resumeCommand, ['resume', 'kept'], ['version', 'dryRun', ['resumed', HELD.slice(0, -1)]]],
    [
      rollbackCommand,
      ['rollback', 'kept', ...WHY],
      ['version', 'dryRun', 'certificate', 'serials', 'fleets'],
    ],
    [
      exportCommand,
      ['export', 'kept', '--fullchain', chain],
      [
        ...['version', 'dryRun', 'certificate', 'fleet', 'serial', 'notAfter'],
        ['files', ['kind', 'file', 'written']],
      ],
    ],
    [
      withdrawCommand,
      ['withdraw', 'gone'],
      ['version', 'dryRun', ['fleets', ['fleet', 'withdrawn', 'held']]],
    ],
    [
      importCommand,
      ['import', bought, '--name', 'kept', '--force'],
      [
        ...['version', 'dryRun', 'certificate', 'identifiers'],
        ['certificates', ['serial', 'keyType', 'notBefore', 'notAfter', 'chainLength']],
        ['fleets', ['fleet', 'result']],
        'notes',
      ],
    ],
  ];

  for (const [command, words, shape] of rows) {
    // What is to be resumed is held by then.
    for (const more of [['--dry-run'], []]) {
      const { status, out, err } = await run(command, ...words, ...more, '--json');
      assert.equal(status, 0, `${words.join(' ')}: ${err}`);
      assert.deepEqual(shapeOf(out), shape, words.join(' '));
      assert.equal(JSON.parse(out).dryRun, more.length > 0, words.join(' '));
    }
  }
});

test('what is refused is thrown, with nothing on stdout before: the program prints it there as the one document', async (t) => {
  const { publish, run } = await stage(t);
  await publish('kept', ['kept.test', 'other.test']);
  await publish('kept');
  const rows: [Command, string[]][] = [
    [rollbackCommand, ['rollback', 'kept', ...WHY]],
    [withdrawCommand, ['withdraw', 'kept']],
    [holdCommand, ['hold', 'none', ...WHY]],
    [exportCommand, ['export', 'none', '--key', 'key.pem']],
  ];

  for (const [command, words] of rows) {
    const { status, out } = await run(command, ...words, '--json');
    assert.match(String(status), /^CommandRefused ERR_REFUSED /, words.join(' '));
    assert.equal(out, '', words.join(' '));
  }
});
