/**
 * What DNS-01 needs of Route 53, and not more: TXT record sets at `_acme-challenge.<configured name>`, made and removed.
 * Route 53 judges a batch as a whole; `ForAllValues` is also true of an empty set, hence its twin `Null`.
 */
import type { Right } from './right.ts';

export interface ChallengeRecords {
  /** Ids; `*` where nobody says which. */
  readonly zoneIds: readonly string[];
  /** Without a dot at the end. */
  readonly recordNames: readonly string[];
  readonly partition: string;
}

/** A role's policies hold 10,240 characters in all: beyond this, names are gathered under their domain. */
const MAX_NAMES_LENGTH = 4_000;

export function challengeRights({ zoneIds, recordNames, partition }: ChallengeRecords): Right[] {
  const resources = zoneIds.map((id) => `arn:${partition}:route53:::hostedzone/${id}`);
  const reason = 'which zone holds a name is found at run time; the condition names the records';
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
      reason: 'the id of a change is known when it is made; all that it tells is whether it is in sync',
    },
  ];
}

export function listZonesRight(): Right {
  return {
    sid: 'FindZones',
    actions: ['route53:ListHostedZones'],
    resources: ['*'],
    reason: 'the action knows no resources',
  };
}

/** RFC 8555 §8.4: where the TXT record of an identifier is. */
export function recordNameOf(identifier: string): string {
  return `_acme-challenge.${identifier.replace(/^\*\./, '')}`;
}

function conditions(recordNames: readonly string[]) {
  const exact = [...new Set(recordNames)].sort();
  const isExact = exact.join().length <= MAX_NAMES_LENGTH;
  const key = (name: string) => `route53:ChangeResourceRecordSets${name}`;
  return {
    [`ForAllValues:String${isExact ? 'Equals' : 'Like'}`]: {
      [key('NormalizedRecordNames')]: isExact ? exact : gathered(exact),
      [key('RecordTypes')]: ['TXT'],
      // No UPSERT: what another writer has put there is never overwritten.
      [key('Actions')]: ['CREATE', 'DELETE'],
    },
    Null: Object.fromEntries(
      ['NormalizedRecordNames', 'RecordTypes', 'Actions'].map((name) => [key(name), 'false']),
    ),
  };
}

/** `_acme-challenge.*.example.com` for all below it; if that is still too much, every challenge record of the zones. */
function gathered(names: readonly string[]): string[] {
  const domains = new Set(names.map((name) => name.split('.').slice(-2).join('.')));
  const patterns = [...domains].flatMap((domain) => [
    `_acme-challenge.${domain}`,
    `_acme-challenge.*.${domain}`,
  ]);
  return patterns.join().length <= MAX_NAMES_LENGTH ? patterns : ['_acme-challenge.*'];
}
