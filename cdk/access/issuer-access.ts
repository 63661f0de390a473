/** Rights of the issuer, derived from its configuration: exact actions on exact prefixes, zones, roles and documents. */
import { Stack } from 'aws-cdk-lib';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { FLEET_TAG, fleetTagValue } from '#contract/layout.ts';
import { type Config, usedChallenges } from '../../lambda/config/config.ts';
import { hostedZoneSettingsFor } from '../../lambda/config/dns.ts';
import type { CertificateBucket } from '../bucket/bucket.ts';
import { fleetsOf, prefixes } from '../bucket/prefixes.ts';
import type { PemfleetProps } from '../settings/props.ts';
import { challengeRights, listZonesRight, recordNameOf } from './dns-access.ts';
import { keyUse, listRight, objects, parameterArn, type Right } from './right.ts';

/** What the issuer works on beside Route 53. */
export interface IssuerAccess extends CertificateBucket {
  /** The document by which it notifies hosts. */
  readonly document: CfnDocument;
  /** Name of the SSM parameter with the key that hosts trust. */
  readonly trustParameter: string;
  /** In the tags of its hosts. */
  readonly deployment: string;
  /** Where it sends names when a level rises; undefined: there are no alarms. */
  readonly topic: ITopic | undefined;
}

export function issuerRights(props: PemfleetProps, access: IssuerAccess): Right[] {
  const { config } = props.config;
  const { bucket, key, document, deployment, trustParameter, topic } = access;
  const used = usedChallenges(config);
  return [
    ...bucketRights(bucket, used.has('http-01')),
    keyUse(key, bucket, ['Decrypt', 'GenerateDataKey']),
    ...(used.has('dns-01') ? dnsRights(props, Stack.of(bucket)) : []),
    ...notifyRights(config, document, deployment),
    trustRight(Stack.of(bucket), trustParameter),
    ...noticeRights(config, Stack.of(bucket)),
    ...(topic ? [{ sid: 'Rises', actions: ['sns:Publish'], resources: [topic.topicArn] }] : []),
    ...(props.vpc ? [networkRight()] : []),
  ];
}

function bucketRights(bucket: IBucket, isHttp01: boolean): Right[] {
  const { issuer, orders, probes, challenges, anyPublished, anyPems, anyShards, anyStatus } = prefixes;
  const challenge = isHttp01 ? [challenges] : [];
  return [
    objects('Read', bucket, ['GetObject'], [issuer, anyPublished, anyStatus]),
    objects('Write', bucket, ['PutObject'], [issuer, anyPublished, ...challenge]),
    objects('Delete', bucket, ['DeleteObject'], [orders, probes, anyPems, anyShards, ...challenge]),
    listRight(bucket),
  ];
}

function dnsRights(props: PemfleetProps, { partition }: Stack): Right[] {
  const { hostedZones: named } = props.config.config.dns;
  const identifiers = props.config.config.certificates.flatMap((certificate) =>
    certificate.challenge.includes('dns-01') ? certificate.identifiers : [],
  );
  const settings = identifiers.map((identifier) => hostedZoneSettingsFor(recordNameOf(identifier), named));
  const own = identifiers.filter((_, index) => settings[index]?.roleArn === undefined);
  const isFound = own.some(
    (identifier) => !hostedZoneSettingsFor(recordNameOf(identifier), named)?.hostedZoneId,
  );
  const ids = named.flatMap(({ roleArn, hostedZoneId = [] }) => (roleArn === undefined ? hostedZoneId : []));
  const given = (props.hostedZones ?? []).map(({ hostedZoneId }) => hostedZoneId);
  const zoneIds = isFound && given.length === 0 ? ['*'] : [...new Set([...given, ...ids])];
  const recordNames = [...own.map(recordNameOf), ...(props.delegatedRecordNames ?? [])];
  const roles = [...new Set(named.flatMap(({ roleArn = [] }) => roleArn))];
  const isOwn = recordNames.length > 0 && zoneIds.length > 0;
  return [
    ...(isOwn ? challengeRights({ zoneIds, recordNames, partition }) : []),
    ...(isFound ? [listZonesRight()] : []),
    ...(roles.length > 0 ? [{ sid: 'ForeignZones', actions: ['sts:AssumeRole'], resources: roles }] : []),
  ];
}

/** SendCommand takes one document, and hosts with the tag of a configured fleet, in EC2 or elsewhere. */
function notifyRights(config: Config, document: CfnDocument, deployment: string): Right[] {
  const stack = Stack.of(document);
  const tags = fleetsOf(config).map((fleet) => fleetTagValue(fleet, deployment));
  const arn = (service: string, resource: string) =>
    `arn:${stack.partition}:${service}:${stack.region}:${stack.account}:${resource}`;
  return [
    {
      sid: 'NotifyBy',
      actions: ['ssm:SendCommand'],
      resources: [arn('ssm', `document/${document.ref}`)],
    },
    {
      sid: 'NotifyWhom',
      actions: ['ssm:SendCommand'],
      resources: [arn('ec2', 'instance/*'), arn('ssm', 'managed-instance/*')],
      conditions: { StringEquals: { [`ssm:resourceTag/${FLEET_TAG}`]: tags } },
      reason: 'hosts come and go; the condition names the tags of their fleets',
    },
    {
      sid: 'NotifyResults',
      actions: ['ssm:ListCommands'],
      resources: ['*'],
      reason: 'the action supports neither resource-level permissions nor conditions',
    },
  ];
}

/** Hosts read what it writes there, and nobody else may write it. */
function trustRight(stack: Stack, parameter: string): Right {
  return {
    sid: 'Trust',
    actions: ['ssm:GetParameter', 'ssm:PutParameter'],
    resources: [parameterArn(stack, parameter)],
  };
}

/** What the channels of `notify` name, and no more; the topic of the alarms has its own right. */
function noticeRights({ notify }: Config, stack: Stack): Right[] {
  const channels = Object.values(notify?.channels ?? {});
  const topics = channels.flatMap(({ sns }) => (sns === undefined || sns === 'default' ? [] : sns));
  const buses = channels.flatMap(({ eventbridge }) => eventbridge ?? []);
  const parameters = channels.flatMap(({ webhook }) => [
    webhook?.urlParameter ?? [],
    webhook?.secretParameter ?? [],
  ]);
  const busArn = (bus: string) =>
    bus.startsWith('arn:')
      ? bus
      : `arn:${stack.partition}:events:${stack.region}:${stack.account}:event-bus/${bus}`;
  const right = (sid: string, action: string, resources: readonly string[]): Right[] =>
    resources.length === 0 ? [] : [{ sid, actions: [action], resources: [...new Set(resources)] }];
  return [
    ...right('Notices', 'sns:Publish', topics),
    ...right('Events', 'events:PutEvents', buses.map(busArn)),
    ...right(
      'Receivers',
      'ssm:GetParameter',
      parameters
        .flat()
        .map((name) => (name.startsWith('arn:') ? name : parameterArn(stack, name.replace(/^\/?/, '/')))),
    ),
  ];
}

/** Lambda creates the network interfaces of a function with the function's own role. */
function networkRight(): Right {
  return {
    sid: 'Network',
    actions: [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ],
    resources: ['*'],
    reason: 'Lambda refuses a function in a VPC unless its role may manage any network interface',
  };
}
