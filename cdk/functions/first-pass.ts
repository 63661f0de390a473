/**
 * A pass of the issuer in the deployment that creates it: it orders nothing, and shows that the function starts, reads its configuration and
 * reaches the bucket. The alarm on passes that do not come is made after it, so that no new deployment begins with an alarm.
 */
import { CustomResource } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';

export function createFirstPass(scope: Construct, issuer: IFunction): CustomResource {
  return new CustomResource(scope, 'FirstPass', {
    serviceToken: issuer.functionArn,
    resourceType: 'Custom::PemfleetFirstPass',
    // Seconds. A function that never answers fails the deployment after this time, not after the default of an hour.
    properties: { ServiceTimeout: 960 },
  });
}
