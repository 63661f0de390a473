/**
 * For the account that owns a zone, where the issuer runs in another one: a role that writes challenges of the given names in this
 * zone, and nothing else. Its ARN goes to `dns.hostedZones[].roleArn` of pemfleet.yaml.
 */
import { Stack } from 'aws-cdk-lib';
import { type IManagedPolicy, type IPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { challengeRights, listZonesRight, recordNameOf } from './access/dns-access.ts';
import { allow } from './access/right.ts';

export interface ZoneAccessProps {
  readonly hostedZone: IHostedZone;

  /** Names and wildcards that certificates are ordered for. */
  readonly identifiers: readonly string[];

  /** Who may take the role: `new AccountPrincipal('111122223333')`, or the issuer's role itself. */
  readonly trusted: IPrincipal;

  /**
   * What the issuer must know beside: `dns.hostedZones[].externalId`.
   *
   * @default - none
   */
  readonly externalId?: string;

  /**
   * A fixed name lets pemfleet.yaml name the role before it exists.
   *
   * @default - CloudFormation invents one
   */
  readonly roleName?: string;

  /**
   * Whether the zone is found by its name. Not needed where pemfleet.yaml names it (`hostedZoneId`).
   *
   * @default false
   */
  readonly findByName?: boolean;

  /**
   * Upper bound of the role.
   *
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy;
}

export class ZoneAccess extends Construct {
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
