// What the tests of the stand-in share: clients of a principal, and how a refusal looks from there.
import type { TestContext } from 'node:test';
import { Route53Client } from '@aws-sdk/client-route-53';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { type Aws, type AwsOptions, startAws } from './aws.ts';
import type { Principal } from './identity.ts';

/** AWS's clock in a test's hand: it stands still but for `advance`. */
export function standingClock() {
  let at = Date.now();
  const advance = (ms: number) => {
    at += ms;
  };
  return { now: () => new Date(at), advance };
}

export async function startBench(t: TestContext, options?: AwsOptions): Promise<Aws> {
  const aws = await startAws(options);
  t.after(aws.stop);
  return aws;
}

/** What every client of the SDK takes. No second attempts: a test wants to see the first refusal. */
export const clientConfig = (aws: Aws, { credentials }: Pick<Principal, 'credentials'>) => ({
  endpoint: aws.endpoint,
  region: aws.region,
  credentials: {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    ...(credentials.sessionToken ? { sessionToken: credentials.sessionToken } : {}),
  },
  maxAttempts: 1,
});

export const s3Of = (
  aws: Aws,
  who: Pick<Principal, 'credentials'> = aws.administrator,
  more: S3ClientConfig = {},
) => new S3Client({ ...clientConfig(aws, who), ...more });

export const route53Of = (aws: Aws, who: Pick<Principal, 'credentials'> = aws.administrator) =>
  new Route53Client(clientConfig(aws, who));

/** `status name` of a refusal; `- code` where none came: the connection broke. */
export async function refusalOf(asked: Promise<unknown>): Promise<string> {
  try {
    const answer = await asked;
    return `not refused: ${JSON.stringify((answer as { $metadata?: object }).$metadata)}`;
  } catch (error) {
    const { $metadata, name, code } = error as {
      $metadata?: { httpStatusCode?: number };
      name: string;
      code?: string;
    };
    const status = $metadata?.httpStatusCode;
    return status === undefined ? `- ${code ?? name}` : `${status} ${name}`;
  }
}

export const allow = (action: string | string[], resource: string | string[], condition?: object) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: action, Resource: resource, ...(condition ? { Condition: condition } : {}) },
  ],
});
