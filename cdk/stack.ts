/** The construct as a stack of its own, with what people look for as outputs. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { hostOf } from './fleet/haproxy-config.ts';
import { Pemfleet } from './pemfleet.ts';
import type { PemfleetProps } from './settings/props.ts';

export interface PemfleetStackProps extends StackProps {
  readonly pemfleet: PemfleetProps;
}

export class PemfleetStack extends Stack {
  readonly pemfleet: Pemfleet;

  constructor(scope: Construct, id: string, { pemfleet, ...props }: PemfleetStackProps) {
    super(scope, id, { description: 'pemfleet: certificates of a HAProxy fleet', ...props });
    this.pemfleet = new Pemfleet(this, 'Pemfleet', pemfleet);
    const { bucket, issuer, notifyDocument, responderUrl, alarms } = this.pemfleet;
    this.#tell('BucketUrl', `s3://${bucket.bucketName}`, 'PEMFLEET_BUCKET of the pemfleet command');
    this.#tell('IssuerName', issuer.functionName, 'aws lambda invoke makes a pass now');
    this.#tell('NotifyDocument', notifyDocument.ref, 'what Systems Manager runs on the hosts');
    if (responderUrl)
      this.#tell('ResponderHost', hostOf(responderUrl), 'where HAProxy sends challenges, at port 443');
    if (alarms) this.#tell('AlarmTopic', alarms.topic.topicArn, 'whom the alarms tell');
  }

  #tell(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description });
  }
}
