/** One public hosted zone of Route 53, as the loader wants it. */
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  type HostedZone,
  ListResourceRecordSetsCommand,
  type ListResourceRecordSetsResponse,
  type ResourceRecordSet,
} from '@aws-sdk/client-route-53';
import { AcmeDeadline } from '../../acme/problem.ts';
import { awsErrorName, type Route53Api } from './api.ts';
import type { ZoneApi } from './txt-loader.ts';
import type { TxtChange, TxtRecordSet } from './txt-record-set.ts';

/** Record sets in one answer, at most. */
const PAGE = 300;
/** Of a batch, in a message. */
const SHOWN_NAMES = 5;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [250, 4_000];

type Start = Pick<
  ListResourceRecordSetsResponse,
  'NextRecordName' | 'NextRecordType' | 'NextRecordIdentifier'
>;

export function route53Zone(api: Route53Api, zone: HostedZone): ZoneApi {
  const HostedZoneId = zoneIdOf(zone);
  const title = `hosted zone ${withoutTrailingDot(zone.Name)} (${HostedZoneId})`;

  async function page(start: Start, MaxItems: number): Promise<ListResourceRecordSetsResponse> {
    const input = {
      ...{ HostedZoneId, MaxItems },
      StartRecordName: start.NextRecordName,
      StartRecordType: start.NextRecordType,
      StartRecordIdentifier: start.NextRecordIdentifier,
    };
    return api.request(
      'route53:ListResourceRecordSets',
      (client) => client.send(new ListResourceRecordSetsCommand(input)),
      title,
    );
  }

  /** Name by name, or the whole zone page by page: whichever takes fewer requests. */
  async function list(names: readonly string[]): Promise<Map<string, TxtRecordSet>> {
    const pages = Math.ceil((zone.ResourceRecordSetCount ?? Number.POSITIVE_INFINITY) / PAGE);
    const sets = names.length <= pages ? await eachOf(names) : await all();
    const wanted = new Set(names);
    return new Map(
      sets
        .filter(({ Type, Name }) => Type === 'TXT' && wanted.has(withoutTrailingDot(Name)))
        .map(({ Name, TTL = 0, ResourceRecords = [] }) => [
          withoutTrailingDot(Name),
          { ttl: TTL, values: ResourceRecords.map(({ Value = '' }) => Value) },
        ]),
    );
  }

  async function eachOf(names: readonly string[]): Promise<ResourceRecordSet[]> {
    const answers = [];
    for (const name of names) answers.push(await page({ NextRecordName: name, NextRecordType: 'TXT' }, 1));
    return answers.flatMap(({ ResourceRecordSets = [] }) => ResourceRecordSets);
  }

  async function all(): Promise<ResourceRecordSet[]> {
    const found: ResourceRecordSet[] = [];
    let start: Start | undefined = {};
    while (start !== undefined) {
      const answer: ListResourceRecordSetsResponse = await page(start, PAGE);
      found.push(...(answer.ResourceRecordSets ?? []));
      start = answer.IsTruncated ? answer : undefined;
    }
    return found;
  }

  return {
    title,
    list,
    change: async (changes) => {
      const ChangeBatch = { Comment: 'pemfleet: DNS-01', Changes: changes.map(toChange) };
      try {
        const names = [...new Set(changes.map(({ name }) => name))];
        const { ChangeInfo } = await api.request(
          'route53:ChangeResourceRecordSets',
          (client) => client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch })),
          `TXT at ${shortened(names)} in ${title}`,
        );
        return { id: ChangeInfo?.Id ?? '' };
      } catch (error) {
        if (awsErrorName(error) === 'InvalidChangeBatch') return { refused: (error as Error).message };
        throw error;
      }
    },
    waitInsync: (Id) => waitInsync(api, title, Id),
  };
}

async function waitInsync(api: Route53Api, title: string, Id: string): Promise<void> {
  const { now, deadline, sleep } = api.timing;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.5, LONGEST_WAIT_MS)) {
    if (now().getTime() + wait >= deadline.getTime())
      throw new AcmeDeadline(`${title} was not in sync before the pass ended; the next pass goes on`);
    await sleep(wait);
    const { ChangeInfo } = await api.request('route53:GetChange', (client) =>
      client.send(new GetChangeCommand({ Id })),
    );
    if (ChangeInfo?.Status === 'INSYNC') return;
  }
}

/** A policy that denies one name denies the whole batch. */
function shortened(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).join(', ');
  return names.length <= SHOWN_NAMES ? shown : `${shown} and ${names.length - SHOWN_NAMES} more`;
}

function toChange({ action, name, set }: TxtChange): Change {
  const ResourceRecords = set.values.map((Value) => ({ Value }));
  return {
    Action: action,
    ResourceRecordSet: { Name: `${name}.`, Type: 'TXT', TTL: set.ttl, ResourceRecords },
  };
}

export function zoneIdOf({ Id = '' }: HostedZone): string {
  return Id.replace('/hostedzone/', '');
}

/** Route 53 ends names with a dot. */
export function withoutTrailingDot(name = ''): string {
  return name.replace(/\.$/, '');
}
