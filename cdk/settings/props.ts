/** Settings of a deployment that pemfleet.yaml does not hold. Every prop but `config` is optional, and every default is a safe one. */
import type { RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { PemfleetConfig } from './configuration.ts';

/** Properties of {@link Pemfleet}. */
export interface PemfleetProps {
  /** Which certificates to issue, from which CA, for which fleets: `PemfleetConfig.fromFile('pemfleet.yaml')`. */
  readonly config: PemfleetConfig;

  /**
   * What happens to the bucket and its key when the stack is deleted. By default they stay, unless the deployment that creates them
   * fails: then nothing is left that would stand in the way of the next one.
   *
   * @default RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
   */
  readonly removalPolicy?: RemovalPolicy;

  /**
   * KMS key that encrypts the bucket.
   *
   * @default - a new key with rotation enabled
   */
  readonly encryptionKey?: IKey;

  /**
   * Bucket that receives S3 server access logs.
   *
   * @default - no access logs; CloudTrail data events record more
   */
  readonly accessLogsBucket?: IBucket;

  /**
   * Hosted zones in which the issuer may write challenge records, for names whose zone pemfleet.yaml does not give by id.
   *
   * @default - every public zone of the account, but only the challenge records of the configured names
   */
  readonly hostedZones?: readonly IHostedZone[];

  /**
   * Record names that `_acme-challenge` CNAMEs delegate to, such as `shop.acme.example.net`.
   *
   * @default - none
   */
  readonly delegatedRecordNames?: readonly string[];

  /**
   * Folder with the agent's tarballs, one for each architecture. An installed package holds them to its own digests, a checkout to the
   * folder's SHA256SUMS. It is read when a host is granted access or gets user data.
   *
   * @default - dist/release of this package, where `npm run build:agent` puts them
   */
  readonly agentRelease?: string;

  /**
   * Reserves concurrent executions of the account: one for the issuer, so that two passes never overlap, and 50 for the responder,
   * which caps what a flood of requests can use. AWS keeps 100 unreserved, so the account needs a quota of at least 151 (a new
   * account has ten: there the deployment would fail). Without the reservation overlapping passes still lose nothing, because each
   * manifest write is conditional, and the responder answers a request without the secret header before it reads anything.
   *
   * @default false
   */
  readonly reserveConcurrency?: boolean;

  /**
   * Name or ARN of an SSM parameter (type SecureString) with a secret that HAProxy sends to the responder: its URL is then closed to all
   * others. docs/http-01.md says how to make it, how HAProxy gets it, and how to change it.
   *
   * @default - the URL is public, and answers tokens of orders in flight to anybody
   */
  readonly responderSecret?: string;

  /**
   * VPC for the issuer. It must reach the CA and the APIs of S3, Route 53 and SSM.
   *
   * @default - the issuer runs outside a VPC
   */
  readonly vpc?: IVpc;

  /**
   * Subnets of `vpc` for the issuer.
   *
   * @default - private subnets with egress
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * Security groups of the issuer in `vpc`.
   *
   * @default - a new security group that allows all outbound traffic
   */
  readonly securityGroups?: readonly ISecurityGroup[];

  /**
   * Permissions boundary of every role that the construct creates.
   *
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy;

  /**
   * How long to keep the logs of the functions.
   *
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: RetentionDays;

  /**
   * Name of this deployment: the value of the dimension `service` of every metric, and the first part of the tag of its hosts
   * (`<serviceName>/<fleet>`). Two deployments in one account and region need different names.
   *
   * @default - the name of the stack; with the path of the construct, unless its id is `Pemfleet`
   */
  readonly serviceName?: string;

  /**
   * Creates alarms and an SNS topic for them.
   *
   * @default true
   */
  readonly alarms?: boolean;

  /**
   * Topic that receives the alarms.
   *
   * @default - a new topic
   */
  readonly alarmTopic?: ITopic;

  /**
   * Address of the runbook, to which each alarm's description adds `#` and the alarm's section.
   *
   * @default - docs/runbook.md of this package
   */
  readonly runbookUrl?: string;

  /**
   * E-mail addresses to subscribe to the topic. Each recipient has to confirm the subscription.
   *
   * @default - none
   */
  readonly alarmEmails?: readonly string[];

  /**
   * Creates a CloudWatch dashboard.
   *
   * @default true
   */
  readonly dashboard?: boolean;
}
