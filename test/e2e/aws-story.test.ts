/** `npm start -- --aws --once --json`, as a user runs it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AwsResult } from '../demo/aws-result.ts';
import { finish } from './finish.ts';

const main = fileURLToPath(new URL('../demo/main.ts', import.meta.url));

test('npm start -- --aws: three certificates by two challenges, renewed under traffic, nothing refused by surprise', async () => {
  const args = ['tsx', main, '--aws', '--once', '--json'];
  const { status, stdout, stderr } = await finish('--import', args, { deadlineMs: 240_000 });

  assert.equal(status, 0, stderr);
  const result = JSON.parse(stdout) as AwsResult;
  assert.equal(result.certificates.length, 3);
  for (const { name, firstSerial, renewedSerial, servedSerial } of result.certificates) {
    assert.ok(renewedSerial !== firstSerial && servedSerial === renewedSerial, name);
  }
  assert.deepEqual(
    result.passes.map(({ challenge, initMs }) => [challenge, initMs === undefined ? 'warm' : 'cold']),
    [
      ['http-01', 'cold'],
      ['dns-01', 'cold'],
      ['dns-01', 'warm'],
    ],
  );
  assert.equal(result.failedRequestsDuringRenewal, 0);
  for (const service of ['s3', 'route53', 'ssm', 'sts', 'lambda', 'logs']) {
    assert.ok((result.calls[service] ?? 0) > 0, service);
  }
});
