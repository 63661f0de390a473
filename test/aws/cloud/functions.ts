// The functions of a template in the stand-in of Lambda: asset, environment, memory, time-out and concurrency as the template says,
// credentials of the role, logs written with the role's permission.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployed } from '../../cdk/deployed.ts';
import type { Aws, Principal } from '../aws.ts';
import { type LambdaFunction, startFunction } from '../lambda/function.ts';

export interface FunctionPlace {
  aws: Aws;
  template: Deployed;
  /** cdk.out */
  outdir: string;
  /** A session of the role, as the service may have it. */
  session(service: string, roleArn: string, name: string): Principal;
  /** in place of the template's */
  timeoutMs?: number | undefined;
  onLog?: ((functionId: string, line: string) => void) | undefined;
}

interface FunctionProperties {
  Code: { S3Key: string };
  Handler: string;
  Environment: { Variables: Record<string, string> };
  LoggingConfig: { LogGroup: string };
  MemorySize: number;
  Timeout: number;
  Role: string;
  ReservedConcurrentExecutions?: number;
}

/** @returns by ARN */
export function startFunctions(place: FunctionPlace): Map<string, LambdaFunction> {
  const ids = place.template.all('AWS::Lambda::Function');
  return new Map(ids.map((id) => [place.template.arn(id), startOne(place, id)]));
}

function startOne(
  { aws, template, outdir, session, timeoutMs, onLog }: FunctionPlace,
  id: string,
): LambdaFunction {
  const properties = template.properties(id) as unknown as FunctionProperties;
  const { ReservedConcurrentExecutions: reservedConcurrency } = properties;
  const [name, arn, logGroup] = [template.name(id), template.arn(id), properties.LoggingConfig.LogGroup];
  const principal = session('lambda.amazonaws.com', properties.Role, name);
  const fn = startFunction({
    ...{
      name,
      arn,
      logGroup,
      region: aws.region,
      handler: properties.Handler,
      memoryMb: properties.MemorySize,
    },
    directory: assetPath(outdir, properties.Code.S3Key),
    environment: { ...principal.env, ...properties.Environment.Variables },
    timeoutMs: timeoutMs ?? properties.Timeout * 1000,
    ...(reservedConcurrency !== undefined && { reservedConcurrency }),
    ...(onLog && { onLog: (line: string) => onLog(id, line) }),
  });
  const streams = new Set<string>();
  const logArn = `arn:aws:logs:${aws.region}:${aws.accountId}:log-group:${logGroup}:log-stream:`;
  const write = async (operation: string, stream: string) => {
    const check = { action: `logs:${operation}`, resource: `${logArn}${stream}`, context: {} };
    await aws.onBehalf(principal, { service: 'logs', operation, subject: logGroup, check });
  };
  return {
    ...fn,
    invoke: async (event, qualifier) => {
      const invocation = await fn.invoke(event, qualifier);
      const { logStream: stream, status } = invocation;
      if (status === 429) return invocation;
      // Also of a handler that says nothing: Lambda itself writes where it begins and ends.
      if (!streams.has(stream)) await write('CreateLogStream', stream);
      await write('PutLogEvents', stream);
      streams.add(stream);
      return invocation;
    },
  };
}

interface AssetsFile {
  files: Record<string, { source: { path: string }; destinations: Record<string, { objectKey: string }> }>;
}

/** Where the CLI would take the object from. */
export function assetPath(outdir: string, objectKey: string): string {
  const manifests = readdirSync(outdir).filter((name) => name.endsWith('.assets.json'));
  const files = manifests.flatMap((name) =>
    Object.values((JSON.parse(readFileSync(join(outdir, name), 'utf8')) as AssetsFile).files),
  );
  const found = files.find(({ destinations }) =>
    Object.values(destinations).some((destination) => destination.objectKey === objectKey),
  );
  if (found === undefined) throw new TypeError(`${outdir} has no asset for ${objectKey}`);
  return join(outdir, found.source.path);
}
