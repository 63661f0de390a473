// Each command of both programs says as whom it goes on when root has typed it, and the pages say the same.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AGENT_COMMANDS } from '../../../../agent/cli/command-line.ts';
import { COMMAND_USERS } from '../../../../agent/cli/right-user.ts';
import { parseArguments, RUNS_AS, TAKEN_BY } from '../../../../lambda/commands/line/options.ts';

const page = (name: string) => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8');

/** The rows of the table below a heading: the user, and the commands that go on as it. */
function rowsBelow(text: string, heading: string): Map<string, string[]> {
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| ([a-z][^|]*) \| (`[^|]+) \|/gm)];
  return new Map(
    rows.map(([, user = '', cell = '']) => [
      user,
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name).sort(),
    ]),
  );
}

const namesWith = (table: Readonly<Record<string, string>>, user: string) =>
  Object.keys(table)
    .filter((name) => table[name] === user)
    .sort();

test('pemfleet: each command has a user, and docs/cli.md names it', () => {
  const commands = new Set(Object.keys(TAKEN_BY).map((name) => name.split(' ')[0]));
  assert.deepEqual(Object.keys(RUNS_AS).sort(), [...commands].sort());

  const rows = rowsBelow(page('cli.md'), 'The right user');
  assert.deepEqual(
    rows,
    new Map([
      ['the owner of the bucket', namesWith(RUNS_AS, 'owner')],
      ['the responder', namesWith(RUNS_AS, 'responder')],
      ['who has typed it', namesWith(RUNS_AS, 'anybody')],
    ]),
  );
});

test('pemfleet-agent: each command has a user, and docs/agent.md names it', () => {
  assert.deepEqual(Object.keys(COMMAND_USERS).sort(), [...AGENT_COMMANDS].sort());

  const rows = rowsBelow(page('agent.md'), 'The right user');
  assert.deepEqual(
    rows,
    new Map([
      ['the owner of the state directory, to write', namesWith(COMMAND_USERS, 'writes')],
      ['the owner of the state directory, to read', namesWith(COMMAND_USERS, 'reads')],
      ['who has typed it', namesWith(COMMAND_USERS, 'anybody')],
    ]),
  );
});

test('a command that the table does not know goes on as nobody else', () => {
  assert.equal(parseArguments(['toString']).values.runsAs, 'anybody');
});
