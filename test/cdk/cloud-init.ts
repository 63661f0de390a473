/** A host as CloudFormation would create it: its user data and the rights of its role, read back from the template. */
import { CfnResource } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { AgentOptions } from '../../cdk/fleet/user-data.ts';
import type { PemfleetProps } from '../../cdk/index.ts';
import { fleet } from '../support/agent/host.ts';
import { deployed, type PolicyDocument } from './deployed.ts';
import { acme, stackOf } from './stacks.ts';

const document = {
  ...{ acme, challenge: 'dns-01' },
  certificates: [{ identifiers: ['www.example.com'], fleets: [fleet] }],
};

export interface DeployedHost {
  cloudInit: string;
  policies: PolicyDocument[];
}

export function deployHost(
  options: AgentOptions = {},
  props: Omit<PemfleetProps, 'config'> = {},
): DeployedHost {
  const { stack } = stackOf(document, props);
  const role = new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  stack.pemfleet.grantAgent(role, fleet);
  const text = stack.pemfleet.userData(fleet, options).render();
  new CfnResource(stack, 'Host', { type: 'AWS::EC2::Instance', properties: { UserData: text } });
  const { properties, policiesOf } = deployed({ template: Template.fromStack(stack) });
  return { cloudInit: String(properties('Host')['UserData']), policies: policiesOf('Hosts') };
}
