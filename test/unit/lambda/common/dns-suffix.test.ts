/** Every region of every partition, as the SDK knows them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partition } from '@aws-sdk/core/client';
import { dnsSuffix } from '#common/net/dns-suffix.ts';

const REGIONS = [
  ...['eu-central-1', 'us-east-1', 'mx-central-1', 'us-gov-west-1', 'cn-north-1', 'cn-northwest-1'],
  ...['eusc-de-east-1', 'us-iso-east-1', 'us-isob-east-1', 'eu-isoe-west-1', 'us-isof-south-1'],
];

for (const region of REGIONS) {
  test(`the domain of AWS in ${region} is the one that the SDK asks, the European Sovereign Cloud and isolated regions too`, () => {
    assert.equal(dnsSuffix(region), partition(region).dnsSuffix);
  });
}
