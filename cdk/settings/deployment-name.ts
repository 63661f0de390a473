/** The name of a deployment. Metrics, alarms and the tags of hosts are the account's: with it, two deployments there keep apart. */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** CloudWatch takes 255 characters for a name, and CloudFormation 128 for the stack. */
const MAX_PATH = 80;

/** @returns the stack's name; where the construct has another id than `Pemfleet`, or is deeper in the tree, `Stack-Path` */
export function deploymentName(pemfleet: Construct): string {
  const stack = Stack.of(pemfleet);
  const ids = pemfleet.node.scopes.slice(stack.node.scopes.length).map(({ node }) => node.id);
  if (ids.length === 1 && ids[0] === 'Pemfleet') return stack.stackName;
  const path = ids.join('-');
  const short = path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}-${pemfleet.node.addr.slice(-8)}` : path;
  return `${stack.stackName}-${short}`;
}
