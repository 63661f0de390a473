/**
 * The rights that DNS-01 needs in Route 53 and no more: to create and delete TXT record sets at `_acme-challenge.<configured name>`.
 * `ForAllValues` must hold for every change of a batch, but it also holds for a missing key, hence the `Null` condition beside it.
 */
import { withoutWildcard } from '../../lambda/config/identifier.ts';
import type { Right } from './right.ts';

/** The challenge records that a role may write. */
export interface ChallengeRecords {
  /** Ids of hosted zones; `*` if the configuration does not name them. */
  readonly zoneIds: readonly string[];
  /** Without a trailing dot. */
  readonly recordNames: readonly string[];
  readonly partition: string;
}

/** IAM allows 10,240 characters for all policies of a role: beyond this length, patterns by domain replace the names. */
const MAX_NAMES_LENGTH = 4_000;

export function challengeRights({ zoneIds, recordNames, partition }: ChallengeRecords): Right[] {
  const resources = zoneIds.map((id) => `arn:${partition}:route53:::hostedzone/${id}`);
  const reason = 'the zone of a name is looked up at run time; the condition names the records';
  return [
    {
      sid: 'Challenges',
      actions: ['route53:ChangeResourceRecordSets'],
      resources,
      conditions: conditions(recordNames),
      reason,
    },
    {
      sid: 'Zones',
      actions: ['route53:GetHostedZone', 'route53:ListResourceRecordSets'],
      resources,
      reason,
    },
    {
      sid: 'Changes',
      actions: ['route53:GetChange'],
      resources: [`arn:${partition}:route53:::change/*`],
      reason: 'the id of a change is not known before it is made; GetChange shows only whether it is in sync',
    },
  ];
}

export function listZonesRight(): Right {
  return {
    sid: 'FindZones',
    actions: ['route53:ListHostedZones'],
    resources: ['*'],
    reason: 'the action supports no resource-level permissions',
  };
}

/** Name of the TXT record for a DNS-01 challenge, RFC 8555 §8.4. */
export function recordNameOf(identifier: string): string {
  return `_acme-challenge.${withoutWildcard(identifier)}`;
}

function conditions(recordNames: readonly string[]) {
  const exact = [...new Set(recordNames)].sort();
  const isExact = exact.join().length <= MAX_NAMES_LENGTH;
  const key = (name: string) => `route53:ChangeResourceRecordSets${name}`;
  return {
    [`ForAllValues:String${isExact ? 'Equals' : 'Like'}`]: {
      [key('NormalizedRecordNames')]: isExact ? exact : patternsByDomain(exact),
      [key('RecordTypes')]: ['TXT'],
      // No UPSERT: the issuer never overwrites the record of another writer.
      [key('Actions')]: ['CREATE', 'DELETE'],
    },
    Null: Object.fromEntries(
      ['NormalizedRecordNames', 'RecordTypes', 'Actions'].map((name) => [key(name), 'false']),
    ),
  };
}

/** `_acme-challenge.*.example.com` for every name below the domain; if that is still too long, every challenge record of the zones. */
function patternsByDomain(names: readonly string[]): string[] {
  const domains = new Set(names.map((name) => name.split('.').slice(-2).join('.')));
  const patterns = [...domains].flatMap((domain) => [
    `_acme-challenge.${domain}`,
    `_acme-challenge.*.${domain}`,
  ]);
  return patterns.join().length <= MAX_NAMES_LENGTH ? patterns : ['_acme-challenge.*'];
}
