/** One public hosted zone of Route 53, as the batcher wants it. */
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
import type { ChangeResult, TxtZone } from './change-batcher.ts';
import type { TxtChange, TxtRecordSet } from './txt-record-set.ts';

/** Record sets in one answer, at most. */
const PAGE = 300;
/** Of a batch, in a message. */
const SHOWN_NAMES = 5;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [250, 4_000];

/** Where a page begins, in the words of the answer that ends before it. */
type PageStart = Pick<
  ListResourceRecordSetsResponse,
  'NextRecordName' | 'NextRecordType' | 'NextRecordIdentifier'
>;

export class Route53Zone implements TxtZone {
  /** Without `/hostedzone/`. */
  readonly id: string;
  /** Without a dot at its end. */
  readonly name: string;
  readonly title: string;
  readonly #api: Route53Api;
  /** Record sets in the zone when it was looked up, of all types. */
  readonly #count: number;

  constructor(api: Route53Api, { Id = '', Name, ResourceRecordSetCount }: HostedZone) {
    this.id = Id.replace('/hostedzone/', '');
    this.name = withoutTrailingDot(Name);
    this.title = `hosted zone ${this.name} (${this.id})`;
    this.#api = api;
    this.#count = ResourceRecordSetCount ?? Number.POSITIVE_INFINITY;
  }

  /** Reads name by name, or the whole zone page by page: whichever takes fewer requests. */
  async list(names: readonly string[]): Promise<Map<string, TxtRecordSet>> {
    const pages = Math.ceil(this.#count / PAGE);
    const sets = names.length <= pages ? await this.#readEach(names) : await this.#readAll();
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

  async change(changes: readonly TxtChange[]): Promise<ChangeResult> {
    const ChangeBatch = { Comment: 'pemfleet: DNS-01', Changes: changes.map(toChange) };
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: this.id, ChangeBatch });
    const names = [...new Set(changes.map(({ name }) => name))];
    try {
      const { ChangeInfo } = await this.#api.request(
        'route53:ChangeResourceRecordSets',
        (client) => client.send(command),
        `TXT at ${shortened(names)} in ${this.title}`,
      );
      return { id: ChangeInfo?.Id ?? '' };
    } catch (error) {
      if (awsErrorName(error) === 'InvalidChangeBatch') return { refused: (error as Error).message };
      throw error;
    }
  }

  async waitInsync(Id: string): Promise<void> {
    const { now, deadline, sleep } = this.#api.timing;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.5, LONGEST_WAIT_MS)) {
      if (now().getTime() + wait >= deadline.getTime()) {
        throw new AcmeDeadline(`${this.title} was not in sync before the pass ended; the next pass goes on`);
      }
      await sleep(wait);
      const answer = await this.#api.request('route53:GetChange', (client) =>
        client.send(new GetChangeCommand({ Id })),
      );
      if (answer.ChangeInfo?.Status === 'INSYNC') return;
    }
  }

  async #readEach(names: readonly string[]): Promise<ResourceRecordSet[]> {
    const sets: ResourceRecordSet[] = [];
    for (const name of names) {
      const page = await this.#readPage({ NextRecordName: name, NextRecordType: 'TXT' }, 1);
      sets.push(...(page.ResourceRecordSets ?? []));
    }
    return sets;
  }

  async #readAll(): Promise<ResourceRecordSet[]> {
    const sets: ResourceRecordSet[] = [];
    let start: PageStart | undefined = {};
    while (start !== undefined) {
      const page: ListResourceRecordSetsResponse = await this.#readPage(start, PAGE);
      sets.push(...(page.ResourceRecordSets ?? []));
      start = page.IsTruncated ? page : undefined;
    }
    return sets;
  }

  #readPage(start: PageStart, MaxItems: number): Promise<ListResourceRecordSetsResponse> {
    const command = new ListResourceRecordSetsCommand({
      HostedZoneId: this.id,
      MaxItems,
      StartRecordName: start.NextRecordName,
      StartRecordType: start.NextRecordType,
      StartRecordIdentifier: start.NextRecordIdentifier,
    });
    return this.#api.request('route53:ListResourceRecordSets', (client) => client.send(command), this.title);
  }
}

/** A policy that denies one name denies the whole batch: the message names some. */
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

/** Route 53 ends names with a dot. */
function withoutTrailingDot(name = ''): string {
  return name.replace(/\.$/, '');
}
