/**
 * Records of dns-persist-01 for CAs whose account pemfleet.yaml names (`acme.accountUri`): they are part of the deployment, so the issuer
 * needs no right in the DNS.
 */

import { Annotations, Duration } from 'aws-cdk-lib';
import { HostedZone, type IHostedZone, TxtRecord } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { persistNames } from '../../lambda/challenge/persist-names.ts';
import { persistName, persistValue } from '../../lambda/challenge/persist-record.ts';
import { type AcmeSettings, configuredCas } from '../../lambda/config/acme.ts';
import { caaIdentitiesOf } from '../../lambda/config/caa-identities.ts';
import type { PemfleetProps } from '../settings/props.ts';

/** A zone whose name is known at synthesis. */
interface NamedZone {
  readonly zoneName: string;
  readonly zone: IHostedZone;
}

export function createPersistRecords(parent: Construct, props: PemfleetProps): void {
  const { acme, certificates, fallback } = props.config.config;
  const cas = configuredCas({ acme, fallback }).filter(({ accountUri }) => accountUri !== undefined);
  const names = persistNames(certificates);
  if (cas.length === 0 || names.size === 0) return;
  const scope = new Construct(parent, 'PersistRecords');
  const zones = zonesOf(scope, props);
  for (const [name, isWildcard] of names) {
    const recordName = persistName(name);
    const values = cas.flatMap((ca) => valueFor(ca, isWildcard) ?? []);
    const [zone] = zones
      .filter(({ zoneName }) => name === zoneName || name.endsWith(`.${zoneName}`))
      .sort((a, b) => b.zoneName.length - a.zoneName.length);
    if (zone === undefined || values.length === 0) {
      warn(scope, recordName, zone === undefined ? 'no zone in hostedZones holds it' : NO_IDENTITIES, values);
      continue;
    }
    new TxtRecord(scope, name, {
      ...{ zone: zone.zone, recordName: `${recordName}.`, values, ttl: Duration.hours(1) },
      comment: 'pemfleet: dns-persist-01',
    });
  }
}

const NO_IDENTITIES = "the CA's domain names are unknown here: set acme.caaIdentities";

function valueFor(ca: AcmeSettings, isWildcard: boolean): string | undefined {
  const issuerDomainNames = caaIdentitiesOf(ca);
  if (issuerDomainNames.length === 0) return undefined;
  const accountUris = [ca.accountUri ?? ''];
  return persistValue({ issuerDomainNames, accountUris, accountHashPrefix: undefined, isWildcard });
}

/** Those of the props, and those of this account that pemfleet.yaml names by their ids. */
function zonesOf(scope: Construct, { config, hostedZones = [] }: PemfleetProps): NamedZone[] {
  const given = hostedZones.flatMap((zone) => {
    const zoneName = nameOf(zone);
    return zoneName === undefined ? [] : [{ zone, zoneName }];
  });
  const configured = config.config.dns.hostedZones.flatMap(({ domain, hostedZoneId, roleArn }) => {
    if (hostedZoneId === undefined || roleArn !== undefined) return [];
    const attributes = { hostedZoneId, zoneName: domain };
    const zone = HostedZone.fromHostedZoneAttributes(scope, `Zone-${domain}`, attributes);
    return [{ zone, zoneName: domain }];
  });
  return [...given, ...configured];
}

/** A zone that was imported by its id alone has no name: reading it throws. */
function nameOf(zone: IHostedZone): string | undefined {
  try {
    return zone.zoneName.replace(/\.$/, '');
  } catch {
    return undefined;
  }
}

function warn(scope: Construct, recordName: string, reason: string, values: readonly string[]): void {
  const texts = values.map((value) => JSON.stringify(value)).join(', ');
  const what = texts === '' ? '' : `; publish TXT ${texts} there`;
  Annotations.of(scope).addWarningV2(
    `pemfleet:persist-record:${recordName}`,
    `${recordName} is not made: ${reason}${what}`,
  );
}
