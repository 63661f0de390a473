/**
 * The responder behind its Function URL. HAProxy forwards the CA's requests to it, and neither can sign them, so the URL is public:
 * the role may read one prefix only, and reserved concurrency caps the cost of a flood. A CA requests each name from several places
 * at once; HAProxy's configuration allows five requests at a time to each of two addresses, so five hosts stay below the cap.
 */
import { Duration } from 'aws-cdk-lib';
import {
  Architecture,
  type FunctionUrl,
  FunctionUrlAuthType,
  Function as LambdaFunction,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { keyUse, objects } from '../access/right.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { prefixes } from '../bucket/prefixes.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { responderCode } from './code.ts';
import { functionRole } from './role.ts';

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
  ]);
  const fn = new LambdaFunction(scope, 'Function', {
    description: 'pemfleet: answers HTTP-01 challenges',
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    handler: 'index.handler',
    code: responderCode(scope),
    role,
    logGroup,
    memorySize: 256,
    timeout: Duration.seconds(10),
    environment: { PEMFLEET_BUCKET: `s3://${bucket.bucketName}` },
    ...(props.reserveConcurrency !== false && { reservedConcurrentExecutions: 50 }),
  });
  const url = fn.addFunctionUrl({ authType: FunctionUrlAuthType.NONE });
  return { fn, url };
}
