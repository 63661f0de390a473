// A fleet on AWS: an autoscaling group of HAProxy hosts behind a Network Load Balancer, which tells them the client's address by the
// PROXY protocol. The hosts' image has HAProxy with the haproxy.cfg beside this file, python3 and systemd.
//
//   npx cdk deploy --app 'npx tsx app.ts' -c ami=ami-… -c agentRelease=FOLDER
import {
  App,
  aws_autoscaling,
  aws_ec2,
  aws_elasticloadbalancingv2,
  aws_iam,
  Duration,
  Tags,
} from 'aws-cdk-lib';
import { PemfleetConfig, PemfleetStack } from 'pemfleet';

const { AutoScalingGroup, UpdatePolicy } = aws_autoscaling;
const { InstanceType, LaunchTemplate, MachineImage, Peer, Port, SecurityGroup, SubnetType, Vpc } = aws_ec2;
const { NetworkLoadBalancer, NetworkTargetGroup, Protocol } = aws_elasticloadbalancingv2;
const { ManagedPolicy, Role, ServicePrincipal } = aws_iam;

const fleet = 'default';
const app = new App();
const ami: string = app.node.tryGetContext('ami') ?? 'ami-0123456789abcdef0';
const agentRelease: string | undefined = app.node.tryGetContext('agentRelease');
const region = process.env['CDK_DEFAULT_REGION'] ?? 'eu-central-1';

const config = PemfleetConfig.of({
  acme: { directoryUrl: 'letsencrypt-staging', termsOfServiceAgreed: true },
  challenge: 'dns-01', // no host has to answer the CA; http-01 works as well, with the lines of pemfleet.haproxyConfig(fleet)
  certificates: [{ identifiers: ['www.example.com', 'example.com'], fleets: [fleet] }],
});
const stack = new PemfleetStack(app, 'Pemfleet', {
  env: { region },
  pemfleet: { config, alarmEmails: ['ops@example.com'], ...(agentRelease && { agentRelease }) },
});
const { pemfleet } = stack;

// Two zones with a NAT gateway each, by CDK's defaults: hosts read the bucket, and HAProxy's image updates.
const vpc = new Vpc(stack, 'Vpc', { maxAzs: 2 });
const role = new Role(stack, 'HostRole', {
  assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
  // Run Command tells hosts of a change at once; without it they poll once a minute
  managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('AmazonSSMManagedInstanceCore')],
});
pemfleet.grantAgent(role, fleet);

const securityGroup = new SecurityGroup(stack, 'HostSecurityGroup', { vpc });
const balancerGroup = new SecurityGroup(stack, 'BalancerSecurityGroup', { vpc });
for (const port of [80, 443]) {
  balancerGroup.addIngressRule(Peer.anyIpv4(), Port.tcp(port));
  // Only the balancer may connect: whoever speaks the PROXY protocol says which address it comes from.
  securityGroup.addIngressRule(balancerGroup, Port.tcp(port));
}

const launchTemplate = new LaunchTemplate(stack, 'HostTemplate', {
  instanceType: new InstanceType('t3.small'),
  machineImage: MachineImage.genericLinux({ [region]: ami }),
  role,
  securityGroup,
  requireImdsv2: true,
  // The agent proves what it serves on the bind that expects a PROXY header.
  userData: pemfleet.userData(fleet, { settings: { haproxy: { handshake: ['proxy@127.0.0.1:443'] } } }),
});
const targets = [80, 443].map(
  (port) =>
    new NetworkTargetGroup(stack, `Port${port}`, {
      vpc,
      port,
      protocol: Protocol.TCP,
      proxyProtocolV2: true,
      preserveClientIp: false,
      deregistrationDelay: Duration.minutes(1),
    }),
);
const group = new AutoScalingGroup(stack, 'Hosts', {
  vpc,
  vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
  launchTemplate,
  minCapacity: 2,
  maxCapacity: 6,
  // A new template replaces one host at a time.
  updatePolicy: UpdatePolicy.rollingUpdate({
    maxBatchSize: 1,
    minInstancesInService: 1,
    pauseTime: Duration.minutes(3),
  }),
});
const balancer = new NetworkLoadBalancer(stack, 'Balancer', {
  vpc,
  internetFacing: true,
  crossZoneEnabled: true,
  securityGroups: [balancerGroup],
});
for (const [index, target] of targets.entries()) {
  group.attachToNetworkTargetGroup(target);
  balancer.addListener(`Listener${index}`, { port: index === 0 ? 80 : 443, defaultTargetGroups: [target] });
}
// Run Command reaches the hosts by their tag.
const { key, value } = pemfleet.hostTag(fleet);
Tags.of(group).add(key, value);
app.synth();
