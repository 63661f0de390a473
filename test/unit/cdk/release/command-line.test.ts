/** Manual pages and completions say what the programs' own help and option tables say. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { AGENT_OPTIONS, AGENT_TAKEN_BY } from '../../../../agent/cli/command-line.ts';
import { USAGE as AGENT_USAGE } from '../../../../agent/cli/usage.ts';
import { completionsOf } from '../../../../cdk/release/command-line/completion.ts';
import { manualPage } from '../../../../cdk/release/command-line/manual.ts';
import {
  type CommandLineSpec,
  commandSummary,
  commandWords,
} from '../../../../cdk/release/command-line/spec.ts';
import { OPTIONS, TAKEN_BY } from '../../../../lambda/commands/line/options.ts';
import { USAGE } from '../../../../lambda/commands/output.ts';

const version = '1.2.3';
const specs: readonly CommandLineSpec[] = [
  { program: 'pemfleet', version, usage: USAGE, options: OPTIONS, takenBy: TAKEN_BY },
  { program: 'pemfleet-agent', version, usage: AGENT_USAGE, options: AGENT_OPTIONS, takenBy: AGENT_TAKEN_BY },
];

const wordsOf = (text: string): string[] => text.match(/[\p{L}\p{N}_./:@=-]*[\p{L}\p{N}]/gu) ?? [];

/** Without what is troff's: its requests, and its backslashes before what it would read itself. */
function plain(page: string): string {
  return page
    .replaceAll(/^\.(?:TP|PP|nf|fi)$/gm, '')
    .replaceAll(/^\.(?:SH|B|I|IR|RI|TH) /gm, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\&', '')
    .replaceAll('\\e', '\\');
}

for (const spec of specs) {
  const { program } = spec;

  test(`${program}: the manual page has every word of --help, in its order`, () => {
    const page = manualPage(spec, { '/etc/some.yaml': 'What it is.' });
    const ofPage: readonly string[] = wordsOf(plain(page));
    let at = 0;
    const missing = wordsOf(spec.usage).filter((word) => {
      const next = ofPage.indexOf(word, at);
      if (next >= 0) at = next + 1;
      return next < 0;
    });

    // The name of the program stands before the summary: "pemfleet \- orders …".
    assert.deepEqual(missing, []);
    for (const section of ['NAME', 'SYNOPSIS', 'COMMANDS', 'OPTIONS', 'EXIT STATUS', 'FILES']) {
      assert.ok(page.includes(`\n.SH ${section}\n`), section);
    }
    assert.doesNotMatch(
      page,
      /^'|^\.(?!TH |SH |TP$|PP$|B |I |IR |RI |nf$|fi$)/m,
      'no request of the text itself',
    );
  });

  test(`${program}: bash completes commands, verbs and the options of each command, and files after an option that takes a value`, () => {
    const { bash } = completionsOf(spec);
    // In a bash of its own, as a shell sources it.
    const lines = [...Object.entries(spec.takenBy)].map(([command]) => `ask ${program} ${command} -`);
    const script = `${bash}
ask() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  $(complete -p ${program} | sed 's/.*-F \\([^ ]*\\).*/\\1/')
  echo "\${COMPREPLY[*]}"
}
ask ${program} ''
${lines.join('\n')}
`;
    const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-u', '-c', script], {
      encoding: 'utf8',
    });
    const [commands = '', ...options] = stdout.trim().split('\n');

    assert.deepEqual([stderr, status], ['', 0]);
    assert.deepEqual(commands.split(' ').sort(), [...commandWords(spec).keys()].sort());
    for (const [index, [command, names]] of Object.entries(spec.takenBy).entries()) {
      const offered = options[index]?.split(' ').filter((word) => word.startsWith('--'));
      assert.deepEqual(offered?.sort(), names.map((name) => `--${name}`).sort(), command);
    }
  });

  test(`${program}: zsh and fish have every command and every option`, () => {
    const { zsh, fish } = completionsOf(spec);

    assert.match(zsh, new RegExp(`^#compdef ${program}\n`));
    for (const command of commandWords(spec).keys()) {
      assert.ok(zsh.includes(`'${command} '*)`), command);
      assert.ok(fish.includes(`__fish_use_subcommand -a ${command}`), command);
    }
    for (const option of new Set(Object.values(spec.takenBy).flat())) {
      assert.ok(zsh.includes(`--${option}`), option);
      assert.match(fish, new RegExp(`-l ${option}( |$)`, 'm'));
    }
  });

  test(`${program}: --help says something of every command, and the option table has every option of it`, () => {
    const silent = [...commandWords(spec).keys()].filter((command) => commandSummary(spec, command) === '');
    assert.deepEqual(silent, []);
    const known = Object.keys(spec.options);
    const unknown = Object.values(spec.takenBy)
      .flat()
      .filter((name) => !known.includes(name));

    assert.deepEqual(unknown, []);
  });
}
