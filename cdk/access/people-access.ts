/**
 * Rights of people: an operator and an auditor send commands to the function (`pemfleet --function`), which acts with its own role. They can
 * neither read the bucket nor use its key by these rights.
 */
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { Alias } from 'aws-cdk-lib/aws-lambda';

/** Allows to invoke these aliases, and not the function itself: that would start a pass. @internal */
export function grantCommands(grantee: IGrantable, aliases: readonly Alias[]): Grant {
  return Grant.addToPrincipal({
    grantee,
    actions: ['lambda:InvokeFunction'],
    resourceArns: aliases.map(({ functionArn }) => functionArn),
  });
}
