/** What can be said about a deployment beside pemfleet.yaml. Interfaces, not ARNs; every default is safe. */
import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Config } from '../../lambda/config/config.ts';

export interface PemfleetConfig {
  /**
   * What the issuer reads. Its paths are those of {@link caFiles}.
   * @internal
   */
  readonly config: Config;
  /** From `bucket: s3://<name>`; without one, CloudFormation invents it. */
  readonly bucketName: string | undefined;
  /** Trust anchors of private CAs: name beside the program → file on this machine. */
  readonly caFiles: Readonly<Record<string, string>>;
}

export interface PemfleetProps {
  /** What to issue, from whom, for which fleets: `readPemfleetConfig('pemfleet.yaml')`. */
  readonly config: PemfleetConfig;

  /**
   * What becomes of bucket and key when the stack is deleted.
   *
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;

  /**
   * Encrypts the bucket.
   *
   * @default - a key is made, with rotation
   */
  readonly encryptionKey?: IKey;

  /**
   * Gets the bucket's access logs.
   *
   * @default - none; data events of CloudTrail tell more
   */
  readonly accessLogsBucket?: IBucket;

  /**
   * How long published PEMs are kept. It must exceed the lifetime of every certificate, else HAProxy hosts lose what they serve.
   *
   * @default - 400 days, more than public CAs may give; for ever where a private CA (caFile) is configured
   */
  readonly pemRetention?: Duration;

  /**
   * The zones that the issuer may write challenges to, where pemfleet.yaml does not name them by id.
   *
   * @default - every public zone of the account, for the records of the configured names only
   */
  readonly hostedZones?: readonly IHostedZone[];

  /**
   * Records that a CNAME at `_acme-challenge.<name>` points at, such as `shop.acme.example.net`.
   *
   * @default - none
   */
  readonly delegatedRecordNames?: readonly string[];

  /**
   * Folder of the agent's tarballs, one for each architecture of hosts, with SHA256SUMS. Read when a host is granted.
   *
   * @default - dist/release of this package: `npm run build:agent`
   */
  readonly agentRelease?: string;

  /**
   * Whether some of the account's concurrent executions are set apart: one for the issuer, so that two passes cannot meet, and 50 for
   * the responder, so that nobody can use up more. AWS wants 100 to be left: an account needs 151 (a new one has ten). Two passes that
   * meet lose nothing, because the manifest is written under a condition.
   *
   * @default true
   */
  readonly reserveConcurrency?: boolean;

  /**
   * The network of the issuer; it needs a way to the CA, and to the APIs of S3, Route 53 and SSM.
   *
   * @default - none
   */
  readonly vpc?: IVpc;

  /**
   * @default - private subnets with a way out
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * @default - one is made, which lets everything out
   */
  readonly securityGroups?: readonly ISecurityGroup[];

  /**
   * Upper bound of every role.
   *
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy;

  /**
   * How long the functions' logs are kept.
   *
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: RetentionDays;

  /**
   * The dimension `service` of all metrics. Two deployments in one region of one account need two names.
   *
   * @default 'pemfleet'
   */
  readonly serviceName?: string;

  /**
   * Whether there are alarms, and a topic that they tell.
   *
   * @default true
   */
  readonly alarms?: boolean;

  /**
   * Whom the alarms tell.
   *
   * @default - a topic is made
   */
  readonly alarmTopic?: ITopic;

  /**
   * Mail addresses that are subscribed to the topic; each has to confirm.
   *
   * @default - none
   */
  readonly alarmEmails?: readonly string[];

  /**
   * Whether there is a dashboard.
   *
   * @default true
   */
  readonly dashboard?: boolean;
}
