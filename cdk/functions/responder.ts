/**
 * The responder behind its Function URL. HAProxy forwards the CA's requests to it, and neither can sign them, so the URL is public:
 * the role may read one prefix only, and a secret header (`responderSecret`) closes it to all but HAProxy. A CA requests each name from several places
 * at once; HAProxy's configuration allows five requests at a time to each of two addresses, so five hosts stay below the cap.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import {
  Architecture,
  type CfnFunction,
  CfnPermission,
  type FunctionUrl,
  FunctionUrlAuthType,
  Function as LambdaFunction,
} from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { keyUse, objects, parameterArn, type Right } from '../access/right.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { prefixes } from '../bucket/prefixes.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { responderCode } from './code.ts';
import { functionRole } from './role.ts';
import { NODE_24 } from './runtime.ts';

/** The function that answers HTTP-01 challenges. */
export interface Responder {
  readonly fn: LambdaFunction;
  readonly url: FunctionUrl;
}

export function createResponder(
  parent: Construct,
  props: PemfleetProps,
  { bucket, key }: CertificateBucket,
): Responder {
  const scope = new Construct(parent, 'Responder');
  const { role, logGroup } = functionRole(scope, props, [
    objects('Read', bucket, ['GetObject'], [prefixes.challenges]),
    keyUse(key, bucket, ['Decrypt']),
    ...secretRight(scope, props),
  ]);
  const fn = new LambdaFunction(scope, 'Function', {
    description: 'pemfleet: answers HTTP-01 challenges',
    runtime: NODE_24,
    architecture: Architecture.ARM_64,
    handler: 'index.handler',
    code: responderCode(scope),
    role,
    logGroup,
    memorySize: 256,
    timeout: Duration.seconds(10),
    environment: {
      PEMFLEET_BUCKET: `s3://${bucket.bucketName}`,
      ...(props.responderSecret && { PEMFLEET_RESPONDER_SECRET_PARAMETER: props.responderSecret }),
    },
    ...(props.reserveConcurrency && { reservedConcurrentExecutions: 50 }),
  });
  const url = fn.addFunctionUrl({ authType: FunctionUrlAuthType.NONE });
  logWarningsOnly(fn);
  allowInvocation(scope, fn);
  return { fn, url };
}

/** A SecureString under AWS's own key needs no right to that key. */
function secretRight(scope: Construct, { responderSecret }: PemfleetProps): Right[] {
  if (responderSecret === undefined) return [];
  const isArn = responderSecret.startsWith('arn:');
  const arn = isArn ? responderSecret : parameterArn(Stack.of(scope), responderSecret);
  return [{ sid: 'Secret', actions: ['ssm:GetParameter'], resources: [arn] }];
}

/** Lambda writes three lines for each invocation unless told otherwise: a flood would fill the log, at its own price. */
function logWarningsOnly(fn: LambdaFunction): void {
  const resource = fn.node.defaultChild as CfnFunction;
  resource.addPropertyOverride('LoggingConfig.LogFormat', 'JSON');
  resource.addPropertyOverride('LoggingConfig.SystemLogLevel', 'WARN');
}

/** Since October 2025 a public URL needs this permission too, and versions of aws-cdk-lib before that do not give it. */
function allowInvocation(scope: Construct, fn: LambdaFunction): void {
  const given = scope.node.findAll().filter((child) => child instanceof CfnPermission);
  if (given.some(({ action }) => action === 'lambda:InvokeFunction')) return;
  const action = 'lambda:InvokeFunction';
  const permission = new CfnPermission(scope, 'InvokeByUrl', {
    ...{ action, principal: '*', functionName: fn.functionArn },
  });
  permission.addPropertyOverride('InvokedViaFunctionUrl', true);
}
