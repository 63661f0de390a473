// The exit statuses of both programs for what a user gets wrong: 78 for a configuration, 64 for a command line, as in sysexits(3).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { agentProgram } from '../../support/agent/program.ts';
import { issuerProgram } from '../../support/issuer/program.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir().path;
const programs = { pemfleet: '', 'pemfleet-agent': '' };
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const rest =
  'acme: { directoryUrl: letsencrypt, termsOfServiceAgreed: true }\ncertificates: [{ identifiers: [a.test] }]\n';
const good = file('good.yaml', `bucket: file://${dir}/bucket\n${rest}`);
const without = file('without.yaml', rest);

before(() => {
  programs.pemfleet = issuerProgram();
  programs['pemfleet-agent'] = agentProgram();
});

function run(
  [program, ...args]: readonly [keyof typeof programs, ...string[]],
  env: Record<string, string> = {},
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [programs[program], ...args], {
    ...{ encoding: 'utf8', env: { ...process.env, ...env } },
  });
  return { status, stdout, stderr };
}

const ROWS: [line: [keyof typeof programs, ...string[]], status: number, says: RegExp][] = [
  [['pemfleet', 'status', '-c', join(dir, 'none.yaml')], 78, /none\.yaml: there is no such file/],
  [['pemfleet', 'run', '-c', dir], 78, /it is a directory; name the file in it/],
  [['pemfleet', 'plan', '-c', good, '--bucket', 'http://minio:9000'], 78, /--bucket: wanted a bucket URL/],
  [['pemfleet', 'status', '-c', without], 78, /without\.yaml:1:1: bucket: is missing/],
  [['pemfleet', 'statsu'], 64, /there is no command statsu; did you mean status\?/],
  [['pemfleet', 'certonly'], 64, /there is no command certonly; did you mean run\?/],
  [['pemfleet', 'run', '--dryrun'], 64, /there is no option --dryrun; did you mean --dry-run\?/],
  [['pemfleet', 'run', '-d', 'www.test'], 64, /there is no option -d: names stand in pemfleet\.yaml/],
  [['pemfleet', 'run', '--only'], 64, /--only wants a value: --only=VALUE/],
  [['pemfleet', 'run', 'www.test'], 64, /run takes options only, saw www\.test; --only NAME/],
  [['pemfleet-agent', 'sync', '--config', join(dir, 'none.yaml')], 78, /none\.yaml: there is no such file/],
  [
    ['pemfleet-agent', 'sync', '--bucket', '/srv', '--fleet', 'edge'],
    78,
    /--bucket: wanted a URL with an absolute path/,
  ],
  [['pemfleet-agent', 'sycn'], 64, /there is no command sycn; did you mean sync\?/],
  [
    ['pemfleet-agent', 'run', '--certdir', '/c'],
    64,
    /there is no option --certdir; did you mean --certs-dir/,
  ],
];

for (const [line, status, says] of ROWS) {
  test(`${line.map((word) => word.replace(dir, '')).join(' ')}: ${status}`, () => {
    const result = run(line);

    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, says);
    assert.doesNotMatch(result.stderr, /^\s+at |Warning/m);
  });
}

test('both programs say their version, whichever way they are asked', () => {
  for (const word of ['--version', '-V', 'version']) {
    assert.match(run(['pemfleet', word]).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match(run(['pemfleet-agent', word]).stdout, /^pemfleet-agent \d+\.\d+\.\d+\n$/);
  }
});

test('PEMFLEET_BUCKET and --bucket stand in for a bucket that the configuration lacks, and an empty variable says nothing', () => {
  const bucket = `file://${dir}/other`;

  const byVariable = run(['pemfleet', 'timer', '-c', without], { PEMFLEET_BUCKET: bucket });
  const byOption = run(['pemfleet', 'key', 'show', '-c', without, '--bucket', bucket], {
    PEMFLEET_BUCKET: 'nonsense',
  });
  const byNone = run(['pemfleet', 'timer', '-c', good], { PEMFLEET_BUCKET: '' });

  assert.deepEqual([byVariable.status, byOption.status, byNone.status], [0, 0, 0], byOption.stderr);
  assert.match(byOption.stdout, /^lineage {7}none$/m);
});
