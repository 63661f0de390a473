/** Which command takes which option: field rows of `revoke --dry-run`, which revoked, and `account --rollover --dry-run`, which rolled over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArguments, TAKEN_BY, UsageError } from '../../../../lambda/commands/line/options.ts';
import { USAGE } from '../../../../lambda/commands/output.ts';
import { runCommand } from '../../../../lambda/commands/pass.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const table: Readonly<Record<string, readonly string[]>> = TAKEN_BY;
const options = [...new Set(Object.values(table).flat())].filter((name) => name !== 'help');
const FLAGS = ['all', 'allow-private', 'dry-run', 'force-renewal', 'json', 'quiet', 'replace', 'rollover'];
const MORE = ['contact', 'deactivate', 'new', 'replace-trusted', 'stolen', 'yes'];
const isFlag = (name: string) => [...FLAGS, ...MORE].includes(name);
const written = (name: string) => (isFlag(name) ? [`--${name}`] : [`--${name}`, '1']);

for (const [command, own] of Object.entries(table)) {
  test(`pemfleet ${command} takes its own options, and names whose every other one is`, () => {
    const words = command.split(' ');

    for (const name of options) {
      const parse = () => parseArguments([...words, ...written(name)]);
      if (own.includes(name)) {
        parse();
        continue;
      }
      const { message } = thrownBy(UsageError, parse);
      const takers = Object.keys(table).filter((one) => table[one]?.includes(name));
      const said = `--${name} is an option of ${takers.join(', ')}; pemfleet ${command} takes --`;
      assert.ok(message.startsWith(said), message);
    }
  });
}

test('an option is refused in whatever order and form it is written', () => {
  for (const args of [
    ['--dry-run', 'status'],
    ['status', '--no-replace'],
    ['status', '-q'],
    ['key', '--out=f'],
    ['key', 'rotate', '--out', 'f'],
  ]) {
    assert.throws(() => parseArguments(args), UsageError, args.join(' '));
  }
});

test('with --help no option is too many', () => {
  assert.equal(parseArguments(['revoke', '--help', '--rollover']).values.help, true);
});

test('--help says which commands print no JSON', () => {
  const [, text = ''] = /as JSON on stdout \(not: ([^)]*)\)/.exec(USAGE) ?? [];
  const without = Object.keys(table).filter((command) => !table[command]?.includes('json'));

  assert.deepEqual(text.split(', ').sort(), without.sort());
});

test('run refuses a time in which no order is begun', async () => {
  for (const seconds of ['20', '30', '39.9']) {
    const { values } = parseArguments(['run', '--timeout', seconds]);

    await assert.rejects(
      runCommand(values, []),
      new UsageError(
        `--timeout wants 40 seconds or more, saw ${seconds}: no order is begun with less than 30 s left`,
      ),
    );
  }
});

test('every command of --help is in the table, and every one of the table in --help', () => {
  const said = [...USAGE.matchAll(/\bpemfleet ([a-z-]+)/g)].map(([, word = '']) => word);

  assert.deepEqual(
    said.filter((word) => table[word] === undefined && word !== 'orders'),
    [],
  );
  for (const command of Object.keys(table).filter((one) => one !== 'key show')) {
    assert.match(USAGE, new RegExp(`\\bpemfleet ${command}\\b`));
  }
});
