/**
 * Names of alarms that people can read. CloudFormation replaces an alarm whose name changes, and cannot make one whose name another
 * resource has: so the name has all that the logical id is made of.
 */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** CloudWatch takes 255 characters, and CloudFormation 128 for the stack. */
const MAX_PATH = 80;

/** @returns `Stack-Figure`; where the construct has another id than its stack, `Stack-Id-Figure` */
export function alarmName(scope: Construct, figure: string): string {
  const stack = Stack.of(scope);
  // Without `Alarms`, the scope itself.
  const ids = scope.node.scopes.slice(stack.node.scopes.length, -1).map(({ node }) => node.id);
  const isPlain = ids.length === 1 && ids[0] === 'Pemfleet';
  const path = ids.join('-');
  const short = path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}-${scope.node.addr.slice(-8)}` : path;
  return [stack.stackName, ...(isPlain ? [] : [short]), figure].join('-');
}
