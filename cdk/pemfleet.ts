/** The whole system as one construct: bucket, issuer on its schedule, responder, notification, rights of the hosts, alarms. */
import { Stack } from 'aws-cdk-lib';
import type { Dashboard, Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { UserData } from 'aws-cdk-lib/aws-ec2';
import { type Grant, type IGrantable, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { FunctionUrl, IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { type AgentRights, grantAgent } from './access/agent-access.ts';
import { type CertificateBucket, createBucket } from './bucket/bucket.ts';
import { knownFleet } from './bucket/prefixes.ts';
import { type AgentRelease, agentReleases } from './fleet/agent-release.ts';
import { haproxyConfig } from './fleet/haproxy-config.ts';
import { createNotifyDocument } from './fleet/notify-document.ts';
import { type AgentOptions, agentCloudConfig } from './fleet/user-data.ts';
import { createIssuer } from './functions/issuer.ts';
import { createResponder, type Responder } from './functions/responder.ts';
import { type Alarms, createAlarms } from './monitoring/alarms.ts';
import { createDashboard } from './monitoring/dashboard.ts';
import { type MetricName, pemfleetMetric } from './monitoring/metrics.ts';
import type { PemfleetProps } from './settings/props.ts';

export class Pemfleet extends Construct {
  /** Holds certificates with their keys; see docs/bucket.md. */
  readonly bucket: IBucket;
  readonly encryptionKey: IKey;
  readonly issuer: IFunction;
  /** For `challenge: http-01` only, as its URL. */
  readonly responder: IFunction | undefined;
  readonly responderUrl: FunctionUrl | undefined;
  /** What Systems Manager runs on the hosts of a fleet that has changed. */
  readonly notifyDocument: CfnDocument;
  readonly alarms: Alarms | undefined;
  readonly dashboard: Dashboard | undefined;
  readonly #props: PemfleetProps;
  readonly #storage: CertificateBucket;
  #releases: readonly AgentRelease[] | undefined;

  constructor(scope: Construct, id: string, props: PemfleetProps) {
    super(scope, id);
    this.#props = props;
    this.#storage = createBucket(this, props);
    this.bucket = this.#storage.bucket;
    this.encryptionKey = this.#storage.key;
    this.notifyDocument = createNotifyDocument(this);
    const issuer = createIssuer(this, props, { ...this.#storage, document: this.notifyDocument });
    const responder = responderFor(this, props, this.#storage);
    this.issuer = issuer.fn;
    this.responder = responder?.fn;
    this.responderUrl = responder?.url;
    const metric = (name: MetricName) => this.#metric(name);
    const functions = [issuer.fn, ...(responder ? [responder.fn] : [])];
    this.alarms = props.alarms === false ? undefined : createAlarms(this, props, metric);
    this.dashboard =
      props.dashboard === false
        ? undefined
        : createDashboard(this, { metric, functions, failures: issuer.failures });
    if (props.permissionsBoundary) PermissionsBoundary.of(this).apply(props.permissionsBoundary);
  }

  /** Lets hosts read what is published for `fleet`, fetch the agent, and report, each for itself. */
  grantAgent(grantee: IGrantable, fleet: string, rights: AgentRights = {}): Grant {
    const known = knownFleet(this.#props.config.config, fleet);
    return grantAgent(this.#storage, this.#agentReleases(), grantee, known, rights);
  }

  /** Installs the agent at a host's first start; the host's role needs {@link grantAgent}. */
  userData(fleet: string, options: AgentOptions = {}): UserData {
    const { region } = Stack.of(this.bucket);
    const bucket = `s3://${this.bucket.bucketName}?region=${region}`;
    const known = knownFleet(this.#props.config.config, fleet);
    return UserData.custom(
      agentCloudConfig({ releases: this.#agentReleases(), bucket, region, fleet: known, ...options }),
    );
  }

  /** The lines that the HAProxy of a host of `fleet` needs. */
  haproxyConfig(fleet: string): string {
    knownFleet(this.#props.config.config, fleet);
    return haproxyConfig(this.#props.config.config.challenge, this.responderUrl);
  }

  /** Certificates whose order failed in a pass. */
  metricCertificatesFailed(options?: MetricOptions): Metric {
    return this.#metric('CertificatesFailed', options);
  }

  /** Certificates that were published. */
  metricCertificatesIssued(options?: MetricOptions): Metric {
    return this.#metric('CertificatesIssued', options);
  }

  /** Certificates well past the time at which they should have been renewed. */
  metricCertificatesOverdue(options?: MetricOptions): Metric {
    return this.#metric('CertificatesOverdue', options);
  }

  /** Days until the first of all certificates expires. */
  metricDaysToExpiry(options?: MetricOptions): Metric {
    return this.#metric('DaysToExpiry', options);
  }

  /** Hosts that do not serve what is published. */
  metricHostsBehind(options?: MetricOptions): Metric {
    return this.#metric('HostsBehind', options);
  }

  /** Hosts that have not reported for three hours. */
  metricHostsSilent(options?: MetricOptions): Metric {
    return this.#metric('HostsSilent', options);
  }

  /** Hosts whose HAProxy must be reloaded to serve what is installed. */
  metricNeedsReload(options?: MetricOptions): Metric {
    return this.#metric('NeedsReload', options);
  }

  /** Fleets that could not be told of a change. */
  metricNotifyFailed(options?: MetricOptions): Metric {
    return this.#metric('NotifyFailed', options);
  }

  /** Passes that came to their end. */
  metricRunFinished(options?: MetricOptions): Metric {
    return this.#metric('RunFinished', options);
  }

  /** When hosts come: 90 MB that a stack without them need not upload. */
  #agentReleases(): readonly AgentRelease[] {
    this.#releases ??= agentReleases(this, 'Agent', this.#props.agentRelease);
    return this.#releases;
  }

  #metric(name: MetricName, options?: MetricOptions): Metric {
    return pemfleetMetric(name, this.#props.serviceName ?? 'pemfleet', options);
  }
}

function responderFor(
  scope: Construct,
  props: PemfleetProps,
  storage: CertificateBucket,
): Responder | undefined {
  return props.config.config.challenge === 'http-01' ? createResponder(scope, props, storage) : undefined;
}
