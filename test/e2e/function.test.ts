/**
 * `--function NAME`: from a machine that may do nothing but invoke an alias of the deployed function. The function runs from its bundles in the
 * stand-in of Lambda, with its own role; the caller's policies are enforced.
 */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { REACH } from '../../lambda/commands/remote/reach.ts';
import type { Principal } from '../aws/aws.ts';
import { type LambdaFunction, startFunction } from '../aws/lambda/function.ts';
import { AwsFailure } from '../aws/wire.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { type AwsStage, BUCKET, program, startAwsStage } from './aws-stage.ts';
import { type Finished, finish } from './finish.ts';

const ARN = 'arn:aws:lambda:eu-central-1:111111111111:function:issuer';
const NAME = 'shop.example.test';
const asset = makeTempDir();

let stage: AwsStage;
let fn: LambdaFunction;
let operator: Principal;
let auditor: Principal;

const mayInvoke = (...aliases: string[]) => [
  {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'lambda:InvokeFunction',
        Resource: aliases.map((alias) => `${ARN}:${alias}`),
      },
    ],
  },
];

before(async () => {
  stage = await startAwsStage();
  const { aws, issuer, configFile } = stage;
  stage.configure([{ identifiers: [NAME] }], {
    ...{ challenge: 'dns-01', dns: { resolvers: [aws.dns.address] }, statusPage: true },
  });
  copyFileSync(program('issuer'), join(asset.path, 'index.mjs'));
  copyFileSync(program('issuer-commands'), join(asset.path, 'commands.mjs'));
  fn = startFunction({
    ...{ name: 'issuer', arn: ARN, region: aws.region, directory: asset.path, handler: 'index.handler' },
    ...{ memoryMb: 512, timeoutMs: 120_000, environment: { ...issuer.env, PEMFLEET_CONFIG: configFile } },
  });
  aws.lambda.add(fn, ['read', 'change']);
  operator = aws.principal({ name: 'operator', policies: mayInvoke('read', 'change') });
  auditor = aws.principal({ name: 'auditor', policies: mayInvoke('read') });
});
after(async () => {
  await fn.stop();
  await stage.stop();
  asset.remove();
});

/** A machine that has nothing of ours: no pemfleet.yaml, no bucket. */
const typed = (who: Principal, args: string[], env: Record<string, string> = {}): Promise<Finished> =>
  finish(program('cli'), [...args, '--function', 'issuer'], {
    env: { ...who.env, PEMFLEET_BUCKET: '', PEMFLEET_FUNCTION_WAIT: '0', USER: 'alice', ...env },
  });

function everything(): string {
  const { s3 } = stage.aws;
  return JSON.stringify(s3.keys(BUCKET).map((key) => [key, s3.text(BUCKET, key)]));
}

const event = (...args: string[]) => ({
  pemfleetCommand: { args, claim: { user: 'mallory', host: 'm' }, width: 120 },
});

test('an operator without any other right: run, status, plan and renew go through, with output and exit status as here', async () => {
  const run = await typed(operator, ['run']);
  const status = await typed(operator, ['status', '--json']);
  const plan = await typed(operator, ['plan', '--days', '90']);
  const renewed = await typed(operator, ['renew', NAME, '--reason', 'a drill']);

  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /certificate\.issued[\s\S]*shop\.example\.test +issued +missing/);
  const [fleet] = JSON.parse(status.stdout).fleets;
  assert.equal(fleet.certificates[0].certificate, NAME, status.stderr);
  assert.match(plan.stdout, /^the next 90 days, until .*: \d+ orders for 1 certificates/);
  assert.match(plan.stderr, /shop\.example\.test +kept +fresh until/);
  assert.equal(renewed.status, 0, renewed.stderr);
  const calls = stage.aws.calls.filter(({ principal }) => principal === operator.arn);
  assert.ok(calls.every(({ service, status: answer }) => service === 'lambda' && answer === 200));
});

test('the audit line claims the caller, and names the request by which CloudTrail proves who it was', async () => {
  const { stdout } = await typed(auditor, ['audit', '--json']);

  const line = JSON.parse(stdout).lines.findLast(({ action }: { action: string }) => action === 'renewed');
  assert.deepEqual([line.isClaimed, line.function, line.reason], [true, `${ARN}:change`, 'forced: a drill']);
  assert.equal(line.command, `pemfleet renew ${NAME} --reason "a drill"`);
  const invoked = stage.aws.lambda.trail.find(({ requestId }) => requestId === line.request);
  assert.equal(invoked?.principal, operator.arn);
});

test("an auditor's alias: reading goes, and IAM denies the other alias with what is missing", async () => {
  const status = await typed(auditor, ['status', '--json']);
  const renew = await typed(auditor, ['renew', NAME]);

  assert.equal(JSON.parse(status.stdout).version, 1);
  assert.equal(renew.status, 1);
  assert.match(
    renew.stderr,
    /^ERR_FUNCTION_DENIED issuer:change in eu-central-1: User: .*auditor is not authorized to perform: lambda:InvokeFunction .*; wanted lambda:InvokeFunction on the alias change: grantOperator or grantAuditor/,
  );
});

test('by the alias that reads nothing is changed, whoever forges whatever: every command of the table', async () => {
  const words: Record<string, string[]> = {
    ...{ history: [NAME], revoke: [NAME], renew: [NAME], withdraw: ['old.test'] },
    ...{ rollback: [NAME, '--reason', 'x'], replace: ['--all', '--yes'], probe: [NAME] },
    ...{ hold: [NAME, '--reason', 'x'], resume: [NAME, '--reason', 'x'] },
  };
  const before = everything();
  const changing = stage.aws.calls.length;

  for (const [name, reach] of Object.entries(REACH)) {
    const { payload } = await fn.invoke(event(...name.split(' '), ...(words[name] ?? [])), 'read');
    const { status } = JSON.parse(payload).pemfleetAnswer;
    if (reach !== 'read') assert.equal(status, 64, `${name}: ${payload}`);
    else assert.ok([0, 1, 2, 3].includes(status), `${name}: ${status}`);
    assert.equal(everything(), before, name);
  }

  const writes = stage.aws.calls
    .slice(changing)
    .filter(({ operation }) => /^(Put|Delete|Change|Send|Publish)/.test(operation));
  assert.deepEqual(
    writes.map(({ operation }) => operation),
    [],
  );
});

test('no pass starts by an alias for commands, and no command without an alias', async () => {
  const before = everything();

  const wake = await fn.invoke({ source: 'aws.scheduler' }, 'change');
  const forged = await fn.invoke(event('run'));

  assert.equal(JSON.parse(wake.payload).pemfleetAnswer.status, 64);
  assert.match(JSON.parse(forged.payload).errorMessage, /^a command was sent without an alias/);
  assert.equal(everything(), before);
});

test('a pass of the function loads what makes the page beside its program, and leaves the page in the bucket', async () => {
  const { log } = await fn.invoke({});

  const page = stage.aws.s3.text(BUCKET, 'issuer/status-page.html') ?? log.join('\n');
  assert.match(page, /^<!doctype html>[\s\S]*shop\.example\.test/i);
});

test('what does not go through the function is refused here, before anybody is asked', async () => {
  const asked = stage.aws.calls.length;
  const rows: [string[], RegExp][] = [
    [['account', '--rollover'], /^account does not go through --function: keys of accounts/],
    [['key', 'rotate'], /^key rotate does not go through --function: keys do not pass/],
    [['init'], /option '?--function|--function/],
    [['status', '--bucket', 's3://other'], /^--bucket is of this machine/],
    [['status', '--config', '/tmp/x.yaml'], /^--config is of this machine/],
  ];

  for (const [args, says] of rows) {
    const { status, stderr } = await typed(operator, args);
    assert.equal(status, 64, args.join(' '));
    assert.match(stderr, says);
  }
  assert.equal(stage.aws.calls.length, asked);
});

test('a busy function, a lost connection, a missing alias: each says what it is and what to do', async () => {
  const { aws } = stage;
  const place = { service: 'lambda', operation: 'Invoke', times: 1 };
  const reserved = { Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded' };
  const busy = new AwsFailure(429, 'TooManyRequestsException', 'Rate Exceeded.', reserved);

  aws.fault(place, { refuse: busy });
  const throttled = await typed(operator, ['status']);
  aws.fault(place, { refuse: busy });
  const waited = await typed(operator, ['audit', '--json'], { PEMFLEET_FUNCTION_WAIT: '30' });
  aws.fault(place, { wire: 'reset-in-body' });
  const lost = await typed(operator, ['audit']);
  const missing = await finish(program('cli'), ['audit', '--function', 'issuer2'], {
    env: { ...aws.administrator.env },
  });

  assert.equal(throttled.status, 2, 'status cannot tell');
  assert.match(
    throttled.stderr,
    /^ERR_FUNCTION_BUSY .*it works on something else, a scheduled pass for example/,
  );
  assert.equal(waited.status, 0);
  assert.match(waited.stderr, /waiting for it/);
  assert.equal(JSON.parse(waited.stdout).version, 1);
  assert.match(
    lost.stderr,
    /^ERR_FUNCTION_LOST .*it may have run to its end; pemfleet status and pemfleet audit/,
  );
  assert.match(missing.stderr, /^ERR_FUNCTION_MISSING .*Function not found: .*:issuer2:read; wanted/);
  assert.deepEqual([lost.status, missing.status], [1, 1]);
});

test('an older function that does not know the command, one that fails, and one that takes too long', async (t) => {
  const { aws } = stage;
  const rows: [string, string, number, RegExp][] = [
    [
      'old',
      'export const handler = async () => ({ outcomes: [] });',
      1,
      /^ERR_FUNCTION_ANSWER old .*its answer is none of pemfleet/,
    ],
    [
      'broken',
      "export const handler = async () => { throw new RangeError('as wished'); };",
      1,
      /^ERR_FUNCTION_FAILED broken: the function failed \(request .*\): RangeError: as wished; its log group has more/,
    ],
    [
      'slow',
      'export const handler = () => new Promise((resolve) => setTimeout(resolve, 60_000));',
      1,
      /^ERR_FUNCTION_FAILED slow: .*Task timed out after 1\.\d\d seconds; what it has begun goes on/,
    ],
  ];
  for (const [name, code, status, says] of rows) {
    const dir = makeTempDir();
    writeFileSync(join(dir.path, 'index.mjs'), code);
    const other = startFunction({
      ...{ name, arn: ARN.replace('issuer', name), region: aws.region, directory: dir.path },
      ...{ handler: 'index.handler', memoryMb: 256, timeoutMs: 1_500, environment: {} },
    });
    t.after(async () => {
      await other.stop();
      dir.remove();
    });
    aws.lambda.add(other, ['read']);
    const done = await finish(program('cli'), ['history', NAME, '--function', name], {
      env: aws.administrator.env,
    });
    assert.equal(done.status, status);
    assert.match(done.stderr, says);
  }
});
