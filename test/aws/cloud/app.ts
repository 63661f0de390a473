// The app that is deployed: the stack of a pemfleet.yaml, the role of the hosts, and the role in the account of a foreign zone.
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AccountPrincipal, ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { PemfleetStack, pemfleetConfigOf, ZoneAccess } from '../../../cdk/index.ts';
import { ACCOUNT, type Deployed, deployed } from '../../cdk/deployed.ts';
import { makeAgentRelease } from '../../support/parts/agent-release.ts';

/** One for all deployments of a process: the same bytes, the same digest. */
const agentRelease = makeAgentRelease();
export const FLEET = 'default';
export const FOREIGN_ACCOUNT = '222222222222';
export const FOREIGN_ROLE = 'pemfleet-dns';
/** Bounds every role of the stack; its name is all that the template holds. */
export const BOUNDARY = {
  arn: `arn:aws:iam::${ACCOUNT}:policy/boundary`,
  document: {
    Version: '2012-10-17',
    Statement: [
      {
        ...{ Effect: 'Allow', Resource: '*' },
        Action: ['s3:*', 'kms:*', 'route53:*', 'ssm:*', 'logs:*', 'sqs:*', 'lambda:*', 'sts:AssumeRole'],
      },
    ],
  },
} as const;

export interface Synthesized {
  /** cdk.out */
  outdir: string;
  template: Deployed;
  /** of the other account */
  zones: Deployed;
  /** cloud-init text of a host */
  userData: string;
  /** lines for its HAProxy */
  haproxyConfig: string;
}

export interface AppOptions {
  /** pemfleet.yaml */
  document: object;
  /** of the agent, in its cloud-init text */
  settings: Readonly<Record<string, unknown>>;
  foreignZone: { hostedZoneId: string; identifiers: readonly string[]; externalId: string };
}

export function synthesizeApp({ document, settings, foreignZone }: AppOptions): Synthesized {
  // CloudFormation's rules cost seconds a template, and have a test of their own.
  const app = new App({ builtinCloudFormationValidation: false });
  const given = new Stack(app, 'Given');
  const stack = new PemfleetStack(app, 'Pemfleet', {
    pemfleet: {
      config: pemfleetConfigOf(document),
      agentRelease,
      permissionsBoundary: ManagedPolicy.fromManagedPolicyName(given, 'Boundary', 'boundary'),
    },
  });
  const hosts = new Role(stack, 'Hosts', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  stack.pemfleet.grantAgent(hosts, FLEET);
  const zones = new Stack(app, 'Zones');
  const { hostedZoneId, identifiers, externalId } = foreignZone;
  new ZoneAccess(zones, 'Access', {
    hostedZone: HostedZone.fromHostedZoneId(zones, 'Zone', hostedZoneId),
    ...{ identifiers, externalId, roleName: FOREIGN_ROLE, trusted: new AccountPrincipal(ACCOUNT) },
  });
  const userData = stack.resolve(stack.pemfleet.userData(FLEET, { settings }).render());
  const haproxyConfig = stack.resolve(stack.pemfleet.haproxyConfig(FLEET));
  const template = deployed({ template: Template.fromStack(stack) });
  return {
    ...{ outdir: app.outdir, template },
    zones: deployed({ template: Template.fromStack(zones) }, FOREIGN_ACCOUNT),
    userData: String(template.value(userData)),
    haproxyConfig: String(template.value(haproxyConfig)),
  };
}
