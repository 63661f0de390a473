/** `pemfleet doctor --aws --fleet F`: run once in a real account (docs/deploy.md, "What only a real account can say"). */
import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { fleetName } from '#contract/layout.ts';
import { parseBucketUrl } from '#storage/address.ts';
import { regionOf } from '#storage/s3-credentials.ts';
import { checkPolicies, checkStatusWrite } from '../../agents/account-checks.ts';
import { simulatePolicy } from '../../agents/simulate-policy.ts';
import { configuredFleets } from '../../config/config.ts';
import { type Command, loadConfigAndBucket, now, print, printJson } from '../command.ts';
import { UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';

const PARTITIONS: readonly [RegExp, string][] = [
  [/^cn-/, 'aws-cn'],
  [/^us-gov-/, 'aws-us-gov'],
  [/^eusc-/, 'aws-eusc'],
];

/** Exits 1 if something is wrong, 2 if something cannot be known. */
export const awsDoctorCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'write');
  const [first] = configuredFleets(config);
  const fleet = fleetName.safeParse(values.fleet ?? first).data;
  if (fleet === undefined) throw new UsageError(`--fleet wants the name of a fleet, saw ${values.fleet}`);
  const address = parseBucketUrl(process.env['PEMFLEET_BUCKET'] ?? config.bucket);
  if (address.kind !== 's3') throw new UsageError('doctor --aws wants a bucket of S3: set PEMFLEET_BUCKET');
  const region = address.s3.region ?? (await regionOf(process.env)());
  const partition = PARTITIONS.find(([regions]) => regions.test(region))?.[1] ?? 'aws';
  const deployment = process.env['PEMFLEET_DEPLOYMENT'];
  const account = { bucketName: address.s3.bucket, partition, fleet, deployment };
  const checks = [
    ...(await checkPolicies(account, (request) => simulatePolicy(request, process.env))),
    await checkStatusWrite(bucket, fleet, now()),
  ];
  if (values.json) printJson({ version: 1, fleet, checks });
  else print(table(checks.map(({ check, state, says }) => [state, check, printable(says)])));
  if (checks.some(({ state }) => state === 'wrong')) return EXIT.failed;
  return checks.some(({ state }) => state === 'unknown') ? EXIT.unknown : EXIT.ok;
};
