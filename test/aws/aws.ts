// AWS on one loopback port, in the test's own process, as strict as AWS: signatures are verified, policies enforced,
// every request is logged, faults can be set.
//
//   const aws = await startAws();
//   t.after(aws.stop);
//   aws.s3.createBucket('certs');                                              // + policy, encryption … of a template
//   const { credentials, env } = aws.principal({ name: 'issuer', policies: [policyDocument] }); // or 'everything'
//   const s3 = new S3Client({ endpoint: aws.endpoint, region: aws.region, credentials });        // IP: path style
//   startProgram({ env });                       // a program of its own: AWS_ENDPOINT_URL, region and credentials
//
//   const role = aws.role({ name: 'dns', policies, trust, accountId: '222222222222' });         // for AssumeRole
//   const session = aws.principal({ name: 'i-0aaa', role });                                     // or at once
//
//   aws.calls             // [{ principal, service, operation, subject, action, resource, context, checks, status, … }]
//   await aws.onBehalf(session, { service: 'logs', … check });                 // Lambda's own, with the function's role
//   aws.fault({ service: 's3', operation: 'PutObject', subject: /manifest/, times: 1 }, refusals.slowDown());
//   aws.fault({ operation: 'GetObject' }, { wire: 'reset-in-body' });          // returns what lifts it again
//   aws.clearFaults();
//   aws.s3.ignore('if-match', 'if-none-match');                                // a look-alike of S3 that lies
//   aws.s3.keys('certs'); aws.s3.text('certs', 'a/b');                         // looks in without a request
//   aws.s3.write('certs', key, text);                                          // and writes: by the thousands
//
//   const zoneId = aws.route53.createZone({ name: 'example.test' });           // + isPrivate, accountId, records …
//   aws.route53.records(zoneId);                                               // but for NS and SOA at the apex
//   aws.route53.setInsyncAfter(ms);                                            // 150 ms by default
//   startPebble({ dnsServer: aws.dns.address });                               // answers what is INSYNC, UDP and TCP
//   aws.dns.queries                                                            // [{ name, type, transport, code, … }]
//
//   aws.ssm.createDocument('Sync', content);
//   aws.ssm.host({ instanceId: 'i-0aaa', tags: { fleet: 'web' }, cwd, env });  // runs what SendCommand sends to it
//   await aws.ssm.settled();
//   aws.sns.createTopic('Alarms'); aws.sns.messages                            // [{ topic, subject, text }]
//   aws.events.sent                                                            // [{ bus, source, detailType, detail, … }]
//   aws.lambda.add(startFunction({ … }), ['read']);                            // for Invoke; aws.lambda.trail says by whom
//   startImds({ principal: () => session });                                   // imds.ts: a server of its own
//
// Files: server.ts (front), on-behalf.ts, signature.ts, presigned.ts, aws-chunked.ts, identity.ts, policy.ts, faults.ts, failure.ts, and each
// service by its name.

import { type NameServer, startNameServer } from './dns/dns-server.ts';
import { createEvents, type Events } from './events.ts';
import { createFaults, type Fault, type FaultPlace } from './faults.ts';
import { createIam } from './iam.ts';
import {
  createIdentity,
  type Principal,
  type PrincipalOptions,
  type Role,
  type RoleOptions,
} from './identity.ts';
import { createLambdaApi, type LambdaApi } from './lambda/invoke-api.ts';
import { type Errand, onBehalf } from './on-behalf.ts';
import { createPolicyEngine } from './policy.ts';
import { createRoute53, type Route53, type Route53Options } from './route53/route53.ts';
import { createS3, type S3 } from './s3/s3.ts';
import { type Bench, type Call, listen } from './server.ts';
import { createSns, type Sns } from './sns.ts';
import { createSsm, type Ssm } from './ssm/ssm.ts';
import { createSts } from './sts.ts';

export type { FaultPlace } from './faults.ts';
export { refusals } from './faults.ts';
export type { Principal, Role } from './identity.ts';
export type { Call } from './server.ts';

export interface AwsOptions {
  /** default: eu-central-1 */
  region?: string;
  /** default: 111111111111 */
  accountId?: string;
  /** AWS's clock; default: this machine's */
  now?: () => Date;
  route53?: Route53Options;
}

export interface Aws {
  endpoint: string;
  region: string;
  accountId: string;
  /** may do everything in the account */
  administrator: Principal;
  /** A user with policies, or a session of a role. */
  principal(options: PrincipalOptions): Principal;
  role(options: RoleOptions): Role;
  calls: Call[];
  /** What a service does with somebody's permissions. @returns whether it may */
  onBehalf(principal: Principal, errand: Errand): Promise<boolean>;
  /** @returns what lifts the fault */
  fault(place: FaultPlace, fault: Fault): () => void;
  clearFaults(): void;
  s3: S3;
  route53: Route53;
  /** the name servers of Route 53 */
  dns: NameServer;
  ssm: Ssm;
  sns: Sns;
  events: Events;
  lambda: LambdaApi;
  stop(): Promise<void>;
}

export async function startAws(options: AwsOptions = {}): Promise<Aws> {
  const { region = 'eu-central-1', accountId = '111111111111', now = () => new Date() } = options;
  let endpoint = '';
  const environment = () => ({ AWS_ENDPOINT_URL: endpoint, AWS_REGION: region });
  const identity = createIdentity(accountId, environment);
  const faults = createFaults();
  const s3 = createS3({ region, accountId, now });
  const route53 = createRoute53({ accountId, now }, options.route53);
  const ssm = createSsm({ region, accountId, now });
  const sns = createSns({ region, accountId });
  const events = createEvents({ region, accountId });
  const lambda = createLambdaApi({ region, accountId });
  const decide = createPolicyEngine(region);
  const services: Bench['services'] = {
    ...{ s3: s3.service, route53: route53.service, ssm: ssm.service },
    ...{
      sts: createSts(identity, now),
      sns: sns.service,
      events: events.service,
      lambda: lambda.service,
      iam: createIam(decide, accountId, identity.holderByArn),
    },
  };
  const calls: Call[] = [];
  const dns = await startNameServer(route53.zones, now);
  const bench: Bench = { region, services, identity, decide, faults, now, calls };
  const front = await listen(bench);
  endpoint = `http://127.0.0.1:${front.port}`;
  return {
    ...{ endpoint, region, accountId, calls, s3, route53, dns, ssm, sns, events, lambda },
    stop: async () => {
      await Promise.all([front.stop(), dns.stop(), ssm.stop()]);
    },
    administrator: identity.principal({ name: 'administrator', policies: 'everything' }),
    ...{ principal: identity.principal, role: identity.role },
    onBehalf: (principal, errand) => onBehalf(bench, principal, errand),
    ...{ fault: faults.add, clearFaults: faults.clear },
  };
}
