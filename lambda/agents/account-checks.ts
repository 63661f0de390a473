/**
 * What only a real account can say (docs/deploy.md): whether IAM judges our policies as we read its documentation, and whether a status can be
 * written and deleted. A test compares the policies with the template's.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import { FLEET_TAG, type FleetName, fleetTagValue, hostName, layout, WRITER_TAG } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { SimulatedRequest } from './simulate-policy.ts';

export interface AccountCheck {
  check: string;
  state: 'ok' | 'wrong' | 'unknown';
  says: string;
}

export interface CheckedAccount {
  /** Name of the bucket. */
  bucketName: string;
  partition: string;
  fleet: FleetName;
  /** In the tags of its hosts. */
  deployment: string | undefined;
}

const VARIABLE = `\${s3:RequestObjectTag/${WRITER_TAG}}`;
const [ONE, OTHER] = ['i-0123456789abcdef0', 'i-0fedcba9876543210'].map((name) => hostName.parse(name));

/** As `grantAgent` gives it. */
export function statusPolicy({ bucketName, partition, fleet }: CheckedAccount): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:PutObject', 's3:PutObjectTagging'],
        Resource: `arn:${partition}:s3:::${bucketName}/${layout.statuses(fleet)}${VARIABLE}.json`,
        Condition: { StringLike: { 'aws:userid': `*:${VARIABLE}` } },
      },
    ],
  };
}

/** As the issuer's role has it: no command goes to a host without the tag. */
export function notifyPolicy({ partition, fleet, deployment }: CheckedAccount): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'ssm:SendCommand',
        Resource: `arn:${partition}:ec2:*:*:instance/*`,
        Condition: {
          StringEquals: { [`ssm:resourceTag/${FLEET_TAG}`]: [fleetTagValue(fleet, deployment)] },
        },
      },
    ],
  };
}

type Simulate = (request: SimulatedRequest) => Promise<string>;

export async function checkPolicies(account: CheckedAccount, simulate: Simulate): Promise<AccountCheck[]> {
  const { bucketName, partition, fleet, deployment } = account;
  const statusOf = (host: typeof ONE) =>
    `arn:${partition}:s3:::${bucketName}/${layout.status(fleet, host ?? ('' as never))}`;
  const write = (host: typeof ONE): SimulatedRequest => ({
    ...{ policy: statusPolicy(account), action: 's3:PutObject', resource: statusOf(host) },
    context: { 'aws:userid': `AROAEXAMPLE:${ONE}`, [`s3:RequestObjectTag/${WRITER_TAG}`]: String(host) },
  });
  const command = (context: Record<string, string>): SimulatedRequest => ({
    ...{ policy: notifyPolicy(account), action: 'ssm:SendCommand', context },
    resource: `arn:${partition}:ec2:eu-central-1:111122223333:instance/${ONE}`,
  });
  const tag = { [`ssm:resourceTag/${FLEET_TAG}`]: fleetTagValue(fleet, deployment) };
  const rows: readonly [check: string, request: SimulatedRequest, isAllowed: boolean][] = [
    ['a host may write its own status', write(ONE), true],
    ["a host may not write another's status", write(OTHER), false],
    ['the issuer may call a host of the fleet', command(tag), true],
    ['the issuer may not call a host without the tag', command({}), false],
  ];
  return Promise.all(
    rows.map(async ([check, request, isAllowed]): Promise<AccountCheck> => {
      try {
        const decision = await simulate(request);
        const isRight = (decision === 'allowed') === isAllowed;
        return { check, state: isRight ? 'ok' : 'wrong', says: `IAM says ${decision}` };
      } catch (error) {
        return { check, state: 'unknown', says: messageOf(error) };
      }
    }),
  );
}

/** With the rights of whoever runs it. The object says that its host has left, so that nobody misses it should it stay. */
export async function checkStatusWrite(
  bucket: Pick<Bucket, 'put' | 'delete'>,
  fleet: FleetName,
  now: Date,
): Promise<AccountCheck> {
  const host = hostName.parse('pemfleet-doctor');
  const at = now.toISOString();
  const report = { reportedAt: at, leftAt: at, agent: { version: 'doctor' }, haproxy: [], files: [] };
  const check = 'a status can be written and deleted';
  try {
    await bucket.put(layout.status(fleet, host), JSON.stringify({ version: 1, fleet, host, ...report }));
    await bucket.delete(layout.status(fleet, host));
    return { check, state: 'ok', says: layout.status(fleet, host) };
  } catch (error) {
    return { check, state: 'wrong', says: `${codeOf(error)} ${messageOf(error)}` };
  }
}
