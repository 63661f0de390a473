/** The construct as a stack of its own, whose outputs name what operators need. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { hostOf } from './fleet/haproxy-config.ts';
import { Pemfleet } from './pemfleet.ts';
import type { PemfleetProps } from './settings/props.ts';

export interface PemfleetStackProps extends StackProps {
  /** Properties of the construct in this stack. */
  readonly pemfleet: PemfleetProps;
}

export class PemfleetStack extends Stack {
  readonly pemfleet: Pemfleet;

  constructor(scope: Construct, id: string, { pemfleet, ...props }: PemfleetStackProps) {
    super(scope, id, { description: 'pemfleet: TLS certificates for HAProxy fleets', ...props });
    this.pemfleet = new Pemfleet(this, 'Pemfleet', pemfleet);
    const { bucket, issuer, notifyDocument, upgradeDocument, deployment, responderUrl, alarms } =
      this.pemfleet;
    this.#output(
      'BucketUrl',
      `s3://${bucket.bucketName}`,
      'Value of PEMFLEET_BUCKET for the pemfleet command',
    );
    this.#output(
      'IssuerName',
      issuer.functionName,
      'Function to start a pass of the issuer with: aws lambda invoke',
    );
    this.#output(
      'NotifyDocument',
      notifyDocument.ref,
      'Document that Systems Manager runs on the hosts when certificates change',
    );
    this.#output(
      'UpgradeDocument',
      upgradeDocument.ref,
      'Value of PEMFLEET_UPGRADE_DOCUMENT for pemfleet upgrade-agents',
    );
    this.#output(
      'Deployment',
      deployment,
      'First part of the tag of the hosts: pemfleet:fleet = Deployment/fleet',
    );
    if (responderUrl) {
      this.#output(
        'ResponderHost',
        hostOf(responderUrl),
        'Host name to which HAProxy forwards challenges, on port 443',
      );
    }
    if (alarms) this.#output('AlarmTopic', alarms.topic.topicArn, 'Topic that receives the alarms');
  }

  #output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}
