/**
 * A role for the account that owns a hosted zone when the issuer runs in a different account. It can write challenge records of the
 * given names in this zone and nothing else. Its ARN goes to `dns.hostedZones[].roleArn` of pemfleet.yaml.
 */
import { Stack } from 'aws-cdk-lib';
import { type IManagedPolicy, type IPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { challengeRights, listZonesRight, recordNameOf } from './access/dns-access.ts';
import { allow } from './access/right.ts';

/** Properties of {@link ZoneAccess}. */
export interface ZoneAccessProps {
  /** Zone in which the role may write challenge records. */
  readonly hostedZone: IHostedZone;

  /** DNS names and wildcards that the issuer orders certificates for. */
  readonly identifiers: readonly string[];

  /** Principal that may assume the role: `new AccountPrincipal('111122223333')`, or the issuer's role itself. */
  readonly trusted: IPrincipal;

  /**
   * External id that the issuer must present: `dns.hostedZones[].externalId`.
   *
   * @default - none
   */
  readonly externalId?: string;

  /**
   * Name of the role. With a fixed name, pemfleet.yaml can refer to the role before it exists.
   *
   * @default - CloudFormation generates a name
   */
  readonly roleName?: string;

  /**
   * Allows the role to list hosted zones, so that the issuer can find this one by its name. Not needed if pemfleet.yaml gives its
   * `hostedZoneId`.
   *
   * @default false
   */
  readonly findByName?: boolean;

  /**
   * Permissions boundary of the role.
   *
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy;
}

/** See {@link ZoneAccessProps}; one for each zone of the account. */
export class ZoneAccess extends Construct {
  /** The role for the issuer to assume. */
  readonly role: Role;

  constructor(scope: Construct, id: string, props: ZoneAccessProps) {
    super(scope, id);
    const { trusted, externalId, roleName, permissionsBoundary } = props;
    this.role = new Role(this, 'Role', {
      assumedBy: trusted,
      description: 'pemfleet: writes ACME challenges',
      ...(externalId !== undefined && { externalIds: [externalId] }),
      ...(roleName !== undefined && { roleName }),
      ...(permissionsBoundary && { permissionsBoundary }),
    });
    const { partition } = Stack.of(this);
    const zoneIds = [props.hostedZone.hostedZoneId];
    const recordNames = props.identifiers.map(recordNameOf);
    allow(this.role, challengeRights({ zoneIds, recordNames, partition }));
    if (props.findByName) allow(this.role, [listZonesRight()]);
  }
}
