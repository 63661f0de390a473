/** The whole system as one construct: bucket, scheduled issuer, responder, notification of hosts, their rights, and alarms. */
import { Names, Stack } from 'aws-cdk-lib';
import type { Dashboard, Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { UserData } from 'aws-cdk-lib/aws-ec2';
import { type Grant, type IGrantable, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Alias, FunctionUrl, IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { FLEET_TAG, fleetTagValue } from '#contract/layout.ts';
import { type AgentRights, grantAgent } from './access/agent-access.ts';
import { type AuditorRights, grantCommands, grantPage, grantReading } from './access/people-access.ts';
import { parameterArn } from './access/right.ts';
import { type CertificateBucket, createBucket } from './bucket/bucket.ts';
import { configuredFleet } from './bucket/prefixes.ts';
import { createPersistRecords } from './dns/persist-records.ts';
import { haproxyConfig } from './fleet/haproxy-config.ts';
import { createNotifyDocument } from './fleet/notify-document.ts';
import { createUpgradeDocument } from './fleet/upgrade-document.ts';
import { type AgentOptions, agentCloudConfig } from './fleet/user-data.ts';
import { createFirstPass } from './functions/first-pass.ts';
import { createIssuer } from './functions/issuer.ts';
import { publishAgent } from './functions/publish-agent.ts';
import { createResponder, type Responder } from './functions/responder.ts';
import { type Alarms, createAlarms } from './monitoring/alarms.ts';
import { createDashboard } from './monitoring/dashboard.ts';
import { type MetricName, pemfleetMetric } from './monitoring/metrics.ts';
import { alarmTopic } from './monitoring/topic.ts';
import { needsResponder } from './settings/configuration.ts';
import { deploymentName } from './settings/deployment-name.ts';
import type { PemfleetProps } from './settings/props.ts';

/** Issues and renews certificates for fleets of HAProxy hosts and publishes them in a bucket. */
export class Pemfleet extends Construct {
  /** The bucket with the certificates and their private keys; docs/bucket.md describes its layout. */
  readonly bucket: IBucket;
  /** Encrypts {@link bucket}. */
  readonly encryptionKey: IKey;
  /** The function that orders, renews and publishes certificates, on its schedule. */
  readonly issuer: IFunction;
  /** By which people send commands to {@link issuer} (`pemfleet --function`): by `read` they change nothing. */
  readonly commandAliases: { readonly read: Alias; readonly change: Alias };
  /** The function that answers HTTP-01 challenges; `undefined` unless a certificate is proven by `challenge: http-01`. */
  readonly responder: IFunction | undefined;
  /** URL of {@link responder}, to which HAProxy forwards challenges. */
  readonly responderUrl: FunctionUrl | undefined;
  /** Document that Systems Manager runs on the hosts of a fleet whose certificates have changed. */
  readonly notifyDocument: CfnDocument;
  /** Document by which `pemfleet upgrade-agents` upgrades hosts. */
  readonly upgradeDocument: CfnDocument;
  /** `undefined` with `alarms: false`. */
  readonly alarms: Alarms | undefined;
  /** `undefined` with `dashboard: false`. */
  readonly dashboard: Dashboard | undefined;
  /** Name of this deployment in the metrics and in the tags of its hosts; see `serviceName`. */
  readonly deployment: string;
  readonly #props: PemfleetProps;
  readonly #storage: CertificateBucket;
  readonly #trustParameter: string;
  #isAgentPublished = false;

  constructor(scope: Construct, id: string, props: PemfleetProps) {
    super(scope, id);
    this.#props = props;
    this.deployment = props.serviceName ?? deploymentName(this);
    this.#storage = createBucket(this, props);
    this.bucket = this.#storage.bucket;
    this.encryptionKey = this.#storage.key;
    this.notifyDocument = createNotifyDocument(this);
    this.upgradeDocument = createUpgradeDocument(this, this.#bucketUrl(), Stack.of(this).region);
    this.#trustParameter = `/${Names.uniqueResourceName(this, { maxLength: 200, separator: '-' })}/trust`;
    const alarmScope = props.alarms === false ? undefined : new Construct(this, 'Alarms');
    const topic = alarmScope && alarmTopic(alarmScope, props);
    const access = {
      ...{ document: this.notifyDocument, trustParameter: this.#trustParameter, topic },
      deployment: this.deployment,
    };
    const issuer = createIssuer(this, props, { ...this.#storage, ...access });
    const responder = responderFor(this, props, this.#storage);
    createPersistRecords(this, props);
    this.issuer = issuer.fn;
    this.commandAliases = issuer.aliases;
    this.responder = responder?.fn;
    this.responderUrl = responder?.url;
    const metric = (name: MetricName) => this.#metric(name);
    const functions = [issuer.fn, ...(responder ? [responder.fn] : [])];
    if (alarmScope && topic) {
      const firstPass = createFirstPass(alarmScope, issuer.fn);
      this.alarms = createAlarms(alarmScope, { topic, firstPass }, props, metric);
    }
    this.dashboard =
      props.dashboard === false
        ? undefined
        : createDashboard(this, { metric, functions, failures: issuer.failures });
    if (props.permissionsBoundary) PermissionsBoundary.of(this).apply(props.permissionsBoundary);
  }

  /**
   * Grants hosts the rights of an agent: to read what is published for `fleet`, to fetch releases of the agent, and to write their
   * own status.
   * @throws Error if no certificate is configured for `fleet`
   */
  grantAgent(grantee: IGrantable, fleet: string, rights: AgentRights = {}): Grant {
    const name = configuredFleet(this.#props.config.config, fleet);
    this.#publishAgent();
    return grantAgent(this.#storage, grantee, {
      ...{ ...rights, fleet: name },
      trustParameter: this.#trustParameter,
    });
  }

  /**
   * Grants people all that `pemfleet --function` offers: to see everything but keys, to renew, revoke, roll back and withdraw. Nothing of it is
   * a right to the bucket, its key or a zone: the function acts with its own role, and the audit trail names the request.
   */
  grantOperator(grantee: IGrantable): Grant {
    const { read, change } = this.commandAliases;
    return grantCommands(grantee, [read, change]);
  }

  /**
   * Grants people what changes nothing of `pemfleet --function`: status, plans, history, the audit trail. They can read no key, also where
   * `rights` let them read the bucket itself.
   */
  grantAuditor(grantee: IGrantable, rights: AuditorRights = {}): Grant {
    const commands = grantCommands(grantee, [this.commandAliases.read]);
    return rights.bucket ? commands.combine(grantReading(this.#storage, grantee)) : commands;
  }

  /**
   * Grants people the page of `statusPage: true`, and nothing else: they read it with `aws s3 cp`, or sign links to it
   * (`pemfleet status --page`). An auditor of the bucket reads it, too.
   */
  grantPageReader(grantee: IGrantable): Grant {
    return grantPage(this.#storage, grantee);
  }

  /**
   * User data that installs the agent when a host first starts: the release that the bucket names then, so that the text stays the same
   * when you deploy another one. The role of the host needs {@link grantAgent}.
   * @throws Error if no certificate is configured for `fleet`
   */
  userData(fleet: string, options: AgentOptions = {}): UserData {
    const { region } = Stack.of(this.bucket);
    const bucket = `s3://${this.bucket.bucketName}?region=${region}`;
    const name = configuredFleet(this.#props.config.config, fleet);
    this.#publishAgent();
    return UserData.custom(
      agentCloudConfig({
        ...{ bucket, bucketUrl: this.#bucketUrl(), region, fleet: name },
        trustParameter: parameterArn(Stack.of(this.bucket), this.#trustParameter),
        ...options,
      }),
    );
  }

  /**
   * The tag by which the issuer finds the hosts of `fleet`: `Tags.of(instance).add(tag.key, tag.value)`. A host without it polls only.
   * @throws Error if no certificate is configured for `fleet`
   */
  hostTag(fleet: string): { readonly key: string; readonly value: string } {
    const name = configuredFleet(this.#props.config.config, fleet);
    return { key: FLEET_TAG, value: fleetTagValue(name, this.deployment) };
  }

  /**
   * The lines that HAProxy needs on a host of `fleet`.
   * @throws Error if no certificate is configured for `fleet`
   */
  haproxyConfig(fleet: string): string {
    const { config } = this.#props.config;
    const isClosed = this.#props.responderSecret !== undefined;
    return haproxyConfig(config, configuredFleet(config, fleet), this.responderUrl, isClosed);
  }

  /** Certificates that are published or served, and have expired. Statistic: Maximum, over an hour. */
  metricCertificatesExpired(options?: MetricOptions): Metric {
    return this.#metric('CertificatesExpired', options);
  }

  /** Certificates well past their renewal time. Statistic: Maximum, over an hour. */
  metricCertificatesOverdue(options?: MetricOptions): Metric {
    return this.#metric('CertificatesOverdue', options);
  }

  /** Configured certificates that have never been published. Statistic: Maximum, over an hour. */
  metricCertificatesMissing(options?: MetricOptions): Metric {
    return this.#metric('CertificatesMissing', options);
  }

  /** Certificates whose last order failed, also while they back off. Statistic: Maximum, over an hour. */
  metricCertificatesFailing(options?: MetricOptions): Metric {
    return this.#metric('CertificatesFailing', options);
  }

  /** Certificates that hosts serve, nothing renews, and that expire within 14 days. Statistic: Maximum, over an hour. */
  metricCertificatesEnding(options?: MetricOptions): Metric {
    return this.#metric('CertificatesEnding', options);
  }

  /** Certificates that are published and not configured any more. Statistic: Maximum, over an hour. */
  metricCertificatesUnconfigured(options?: MetricOptions): Metric {
    return this.#metric('CertificatesUnconfigured', options);
  }

  /** Certificates that an operator holds: they are not renewed. Statistic: Maximum, over an hour. */
  metricCertificatesHeld(options?: MetricOptions): Metric {
    return this.#metric('CertificatesHeld', options);
  }

  /** Certificates published. Statistic: Sum, over an hour. */
  metricCertificatesIssued(options?: MetricOptions): Metric {
    return this.#metric('CertificatesIssued', options);
  }

  /** Days until the first certificate expires. Statistic: Minimum, over an hour. */
  metricDaysToExpiry(options?: MetricOptions): Metric {
    return this.#metric('DaysToExpiry', options);
  }

  /** Names for which an address shows clients something else; with `probe: true` only. Statistic: Maximum, over an hour. */
  metricNamesWrong(options?: MetricOptions): Metric {
    return this.#metric('NamesWrong', options);
  }

  /** Hosts that do not serve the published certificates. Statistic: Maximum, over an hour. */
  metricHostsBehind(options?: MetricOptions): Metric {
    return this.#metric('HostsBehind', options);
  }

  /** Hosts that have not reported for three hours. Statistic: Maximum, over an hour. */
  metricHostsSilent(options?: MetricOptions): Metric {
    return this.#metric('HostsSilent', options);
  }

  /** Hosts that `hosts.expected` names or counts, and that have never reported. Statistic: Maximum, over an hour. */
  metricHostsMissing(options?: MetricOptions): Metric {
    return this.#metric('HostsMissing', options);
  }

  /** Hosts with certificates that a handshake should show, and does not. Statistic: Maximum, over an hour. */
  metricHostsUnproven(options?: MetricOptions): Metric {
    return this.#metric('HostsUnproven', options);
  }

  /** Hours since the oldest proof of a certificate on a host. Statistic: Maximum, over an hour. */
  metricOldestProofHours(options?: MetricOptions): Metric {
    return this.#metric('OldestProofHours', options);
  }

  /** Hosts whose HAProxy needs a reload to serve the installed certificates. Statistic: Maximum, over an hour. */
  metricNeedsReload(options?: MetricOptions): Metric {
    return this.#metric('NeedsReload', options);
  }

  /** Differences that hosts have found and repaired in the last 24 hours. Statistic: Maximum, over an hour. */
  metricDriftRepaired(options?: MetricOptions): Metric {
    return this.#metric('DriftRepaired', options);
  }

  /** Hosts on which the same difference was found and repaired on three days. Statistic: Maximum, over an hour. */
  metricDriftReturning(options?: MetricOptions): Metric {
    return this.#metric('DriftReturning', options);
  }

  /** Fleets that could not be notified of a change. Statistic: Maximum, over an hour. */
  metricNotifyFailed(options?: MetricOptions): Metric {
    return this.#metric('NotifyFailed', options);
  }

  /** Passes that completed. Statistic: Sum, over an hour. */
  metricRunFinished(options?: MetricOptions): Metric {
    return this.#metric('RunFinished', options);
  }

  /** On first use: a stack that grants no host need not upload 90 MB. */
  #publishAgent(): void {
    if (!this.#isAgentPublished) publishAgent(this, this.#props, this.#storage);
    this.#isAgentPublished = true;
  }

  #bucketUrl(): string {
    const { region, urlSuffix } = Stack.of(this.bucket);
    return `https://${this.bucket.bucketName}.s3.${region}.${urlSuffix}`;
  }

  #metric(name: MetricName, options?: MetricOptions): Metric {
    return pemfleetMetric(name, this.deployment, options);
  }
}

function responderFor(
  scope: Construct,
  props: PemfleetProps,
  storage: CertificateBucket,
): Responder | undefined {
  return needsResponder(props.config) ? createResponder(scope, props, storage) : undefined;
}
