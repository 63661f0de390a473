/** What the documents show is true: each block is read by the program that it is for, each command line by the program that it names. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { transformSync } from 'esbuild';
import { parse } from 'yaml';
import { parseCommandLine } from '../../agent/cli/command-line.ts';
import { instanceConfigs, loadAgentConfig } from '../../agent/config/config.ts';
import { parseArguments } from '../../lambda/commands/line/options.ts';
import { parseConfig } from '../../lambda/config/yaml.ts';
import { type Block, blocksOf, codeSpansOf, PAGES } from '../support/docs/blocks.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const file = join(makeTempDir().path, 'agent.yaml');
const blocks = PAGES.flatMap(blocksOf);
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

/** By language; what is shown as `text` is output, and no test of a document. */
const CHECKS: Readonly<Record<string, (block: Block) => void | Promise<void>>> = {
  yaml: checkYaml,
  json: ({ text }) => void JSON.parse(text),
  ts: ({ text }) => void transformSync(text, { loader: 'ts' }),
  sh: checkShell,
  haproxy: () => undefined, // test/parts/docs/haproxy-blocks.test.ts loads it into each HAProxy
  text: () => undefined,
};

for (const block of blocks) {
  const { page, line, language, notRun } = block;
  // test/install/docs.test.ts types the commands; what it cannot type is read here, too.
  if (notRun === undefined || language === 'sh') {
    test(`${page}:${line}: the block of ${language || 'no language'} is true`, async () => {
      const check = CHECKS[language];
      assert.ok(check, `a block needs a language of ${Object.keys(CHECKS).join(', ')}`);
      await check(block);
    });
  }
}

test('few blocks are exceptions, each for a reason', (t) => {
  const exceptions = blocks.filter(({ notRun }) => notRun !== undefined);
  for (const { page, line, notRun } of exceptions) t.diagnostic(`${page}:${line}: not run: ${notRun}`);

  assert.ok(exceptions.length <= 12, `${exceptions.length} blocks are not run`);
});

/** A part of a file is put into a whole one: the program reads files. */
async function checkYaml({ text }: Block): Promise<void> {
  const keys = Object.keys(parse(text) as object);
  if (keys.some((key) => ['fleet', 'haproxy', 'pem', 'watch', 'trust'].includes(key))) {
    const missing = ['bucket: file:///b', 'fleet: default'].filter(
      (line) => !keys.includes(line.split(':')[0] ?? ''),
    );
    writeFileSync(file, `${missing.join('\n')}\n${text}`);
    instanceConfigs(await loadAgentConfig({ flags: { config: file }, env: {}, hostname: 'lb1' }));
    return;
  }
  const rest = [
    'bucket: file:///b',
    'acme: { directoryUrl: letsencrypt, termsOfServiceAgreed: true }',
    'certificates: [{ identifiers: [a.example.com] }]',
  ].filter((line) => !keys.includes(line.split(':')[0] ?? ''));
  const whole = text.includes('limits:')
    ? text.replace(/^acme:$/m, 'acme:\n  directoryUrl: letsencrypt\n  termsOfServiceAgreed: true')
    : text;
  parseConfig('block.yaml', `${rest.join('\n')}\n${whole}`);
}

/** The syntax, and of each command that is ours, its options; files of the tree must be there. */
function checkShell({ text }: Block): void {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  for (const command of commandsIn(text)) checkCommand(command);
}

/** Without comments, continued lines in one, each simple command for itself, without what runs it for another user. */
function commandsIn(text: string): string[] {
  return text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, ''))
    .flatMap((line) => line.split(/&&|\|\||[|;]|\$\(|\)/))
    .map((command) =>
      command
        .trim()
        .replace(/^sudo (-\w+ )?(-u \w+ )?/, '')
        .replace(/^(\w+=\S* )+/, ''),
    )
    .filter((command) => command !== '');
}

function checkCommand(command: string): void {
  const [program = '', ...args] = command.split(/\s+/);
  if (program === 'npx') checkCommand(args.join(' '));
  if (program === 'pemfleet') parseArguments(args);
  if (program === 'pemfleet-agent') parseCommandLine(args);
  if (program === 'npm') checkNpm(args);
}

function checkNpm([verb = '', name = '']: string[]): void {
  const script = verb === 'run' ? name : ['start', 'test'].includes(verb) ? verb : undefined;
  assert.ok(script === undefined || Object.hasOwn(scripts, script), `npm run ${name}: no such script`);
}

for (const page of PAGES) {
  test(`${page}: each command line in its text has a command and options that the program takes`, () => {
    const lines = codeSpansOf(page).filter((text) => /^(sudo )?(npx )?pemfleet(-agent)? [a-z-]/.test(text));
    const problems = lines.flatMap((line) => {
      const problem = lineProblem(line);
      return problem === undefined ? [] : [`${line}: ${problem}`];
    });

    assert.deepEqual(problems, []);
  });
}

/** Placeholders stand for values; brackets for what may be left out, and bars for alternatives. */
function lineProblem(line: string): string | undefined {
  const [program = '', ...words] = line
    .replace(/^(sudo )?(npx )?/, '')
    .replaceAll(/\\\|/g, '|')
    .replaceAll(/[[\]…]/g, ' ')
    .trim()
    .split(/\s+/);
  const command = words.filter((word) => !word.startsWith('-'));
  const options = words.flatMap((word) => word.split('|')).filter((word) => word.startsWith('--'));
  const names = [...new Set(options.map((option) => option.replace(/=.*$/, '')))];
  const problems = (names.length === 0 ? [undefined] : names).map((name) =>
    optionProblemOf(program, command, name),
  );
  return problems.find((problem) => problem !== undefined);
}

/** An option is tried as a switch, then with a value. */
function optionProblemOf(program: string, command: string[], option: string | undefined): string | undefined {
  const read = (args: string[]): string | undefined => {
    try {
      if (program === 'pemfleet') parseArguments(args);
      else parseCommandLine(args);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const words = program === 'pemfleet' ? command : command.slice(0, 1);
  const problem = read([...words, ...(option === undefined ? [] : [option])]);
  return problem === undefined || option === undefined ? problem : read([...words, `${option}=1`]);
}

test('what a document calls a file of the tree is one', () => {
  const paths = PAGES.flatMap((page) => codeSpansOf(page).map((text) => ({ page, text }))).filter(
    ({ text }) =>
      /^(agent|lambda|cdk|test|docs)\/[\w./-]+\.(ts|mjs|cfg|yaml|service|timer|sh|yml|md)$/.test(text),
  );

  assert.deepEqual(
    paths.filter(({ text }) => !existsSync(text)).map(({ page, text }) => `${page}: ${text}`),
    [],
  );
});
