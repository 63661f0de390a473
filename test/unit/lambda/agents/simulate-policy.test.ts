/** R23: IAM is another service in each partition, at its own address, and another region signs for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iamEndpoint } from '../../../../lambda/agents/simulate-policy.ts';

const ROWS: readonly [partition: string, url: string, region: string][] = [
  ['aws', 'https://iam.amazonaws.com/', 'us-east-1'],
  ['aws-cn', 'https://iam.cn-north-1.amazonaws.com.cn/', 'cn-north-1'],
  ['aws-us-gov', 'https://iam.us-gov.amazonaws.com/', 'us-gov-west-1'],
  ['aws-eusc', 'https://iam.eusc-de-east-1.amazonaws.eu/', 'eusc-de-east-1'],
];

for (const [partition, url, region] of ROWS) {
  test(`IAM judges policies of ${partition} at its own address`, () => {
    const place = iamEndpoint(partition);

    assert.deepEqual([place.url.href, place.region], [url, region]);
  });
}

test('a partition whose IAM nobody knows is told, not sent to another one', () => {
  assert.throws(() => iamEndpoint('aws-iso'), /saw aws-iso: set AWS_ENDPOINT_URL_IAM/);
});
