/** The runtime of all functions: the current LTS, which older versions of aws-cdk-lib do not name. */
import { Runtime, RuntimeFamily } from 'aws-cdk-lib/aws-lambda';

export const NODE_24: Runtime =
  (Runtime as Partial<typeof Runtime>).NODEJS_24_X ?? new Runtime('nodejs24.x', RuntimeFamily.NODEJS);
