/** `pemfleet doctor --aws` in the stand-in of AWS: what it asks IAM is what the template grants, and each doubt is told apart. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { fleetName } from '#contract/layout.ts';
import { checkPolicies, notifyPolicy, statusPolicy } from '../../lambda/agents/account-checks.ts';
import { allow, startBench } from '../aws/clients.ts';
import { tempDir } from '../support/temp-dir.ts';
import { byDns, policies } from './rights-stage.ts';
import { small } from './stacks.ts';

const bucketName = byDns.name('PemfleetBucket');
const account = {
  ...{ bucketName, partition: 'aws', deployment: 'Pemfleet' },
  fleet: fleetName.parse('edge'),
};

interface Statement {
  Sid?: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, unknown>>;
}

test('doctor: the policies that it has IAM judge are those of the template', () => {
  const [status] = (statusPolicy(account) as { Statement: Statement[] }).Statement;
  const [notify] = (notifyPolicy(account) as { Statement: Statement[] }).Statement;
  const statementsOf = (who: 'host' | 'issuer') =>
    policies[who].flatMap(({ Statement }) => Statement as unknown as Statement[]);
  const granted = statementsOf('host').find(({ Action }) => String(Action).includes('s3:PutObject'));
  const told = statementsOf('issuer').find(({ Sid }) => Sid === 'NotifyWhom');
  const tags = told?.Condition?.['StringEquals']?.['ssm:resourceTag/pemfleet:fleet'];

  assert.deepEqual([status?.Action, status?.Resource], [granted?.Action, granted?.Resource]);
  assert.deepEqual(status?.Condition?.['StringLike'], granted?.Condition?.['StringLike']);
  assert.deepEqual(notify?.Condition?.['StringEquals'], {
    'ssm:resourceTag/pemfleet:fleet': [(tags as string[])[0]],
  });
});

test('doctor: where IAM takes no policy variable in a resource, the first check says so', async () => {
  const checks = await checkPolicies(account, async ({ context }) =>
    'ssm:resourceTag/pemfleet:fleet' in context ? 'allowed' : 'implicitDeny',
  );

  assert.deepEqual(
    checks.map(({ state }) => state),
    ['wrong', 'ok', 'ok', 'ok'],
  );
});

async function runDoctor(t: TestContext, actions: string[]) {
  const aws = await startBench(t);
  aws.s3.createBucket(bucketName);
  const { env } = aws.principal({ name: 'operator', policies: [allow(actions, '*')] });
  const file = join(tempDir(t), 'pemfleet.yaml');
  writeFileSync(file, JSON.stringify({ ...small, bucket: `s3://${bucketName}` }));
  const args = [resolve('dist/cli/index.mjs'), 'doctor', '--aws', '--json', '--config', file];
  const ran = await promisify(execFile)(process.execPath, args, {
    env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', ...env },
  }).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    ({ stdout, code }: { stdout: string; code: number }) => ({ stdout, code }),
  );
  const { checks } = JSON.parse(ran.stdout) as { checks: { state: string; says: string }[] };
  return { ...ran, aws, states: checks.map(({ state }) => state) };
}

test('doctor: all is well, and nothing is left in the bucket', async (t) => {
  const { code, states, aws, stdout } = await runDoctor(t, ['s3:*', 'iam:SimulateCustomPolicy']);

  assert.deepEqual([code, states], [0, ['ok', 'ok', 'ok', 'ok', 'ok']], stdout);
  assert.deepEqual(aws.s3.keys(bucketName), []);
});

test('doctor: without the right to ask IAM nothing is known, and that is said', async (t) => {
  const { code, states, stdout } = await runDoctor(t, ['s3:*']);

  assert.deepEqual([code, states], [2, ['unknown', 'unknown', 'unknown', 'unknown', 'ok']]);
  assert.match(stdout, /iam:SimulateCustomPolicy/);
});
