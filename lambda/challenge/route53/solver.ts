/**
 * DNS-01 (RFC 8555 §8.4) by Route 53: the digest of the key authorization becomes a TXT value in the zone that holds its name.
 * The walk of one challenge through this folder:
 *
 *   ../dns-target.ts   follows CNAMEs from `_acme-challenge.<name>` to the name of the record
 *   api.ts             opens the account that the settings of that name say, by a role where it is another account
 *   hosted-zones.ts    finds the account's public zone that holds the record
 *   change-batcher.ts  gathers the values of all orders into one ChangeBatch per zone, and halves a batch that is refused
 *   txt-record-set.ts  computes the changes from the values that are there to those that are wanted
 *   zone.ts            reads record sets, sends the batch, waits until it is INSYNC
 */
import { createHash, randomBytes } from 'node:crypto';
import { inParallel } from '#common/in-parallel.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Timing } from '../../acme/poll.ts';
import { type DnsSettings, hostedZoneSettingsFor } from '../../config/dns.ts';
import { type CnameLookup, cnameLookup, dnsTarget } from '../dns-target.ts';
import type { ChallengeSolver, PresentedChallenge, ZoneRights } from '../solver.ts';
import { type Route53Access, Route53Api } from './api.ts';
import { ChangeBatcher } from './change-batcher.ts';
import { HostedZones } from './hosted-zones.ts';
import type { Route53Zone } from './zone.ts';

/** Where the TXT values of an identifier belong. */
interface TxtLocation {
  /** Of the record: `_acme-challenge.<identifier>`, or what a CNAME there points to. */
  name: string;
  zone: Route53Zone;
  batcher: ChangeBatcher;
}

/** Names whose zones are found at the same time. */
const LOCATED_AT_ONCE = 20;
/** Names whose rights one change tries. */
const TRIED_TOGETHER = 100;

const problemOf = (error: unknown) => `${codeOf(error)} ${messageOf(error)}`;

export class Route53Solver implements ChallengeSolver {
  readonly type = 'dns-01';

  readonly #settings: DnsSettings['hostedZones'];
  readonly #timing: Timing;
  readonly #lookup: CnameLookup;
  /** By role and external id. */
  readonly #accounts = new Map<string, HostedZones>();
  /** By the zone's id: all orders share its batches. */
  readonly #batchers = new Map<string, ChangeBatcher>();
  /** By identifier: one walk serves `present`, `cleanUp` and the certificates that share a name. */
  readonly #locations = new Map<string, Promise<TxtLocation>>();

  constructor({ hostedZones, resolvers }: DnsSettings, timing: Timing) {
    this.#settings = hostedZones;
    this.#timing = timing;
    this.#lookup = cnameLookup(resolvers);
  }

  present(challenges: readonly PresentedChallenge[]): Promise<void> {
    return this.#forEach(challenges, ({ batcher, name }, value) => batcher.add(name, value));
  }

  cleanUp(challenges: readonly PresentedChallenge[]): Promise<void> {
    return this.#forEach(challenges, ({ batcher, name }, value) => batcher.remove(name, value));
  }

  locations(identifiers: readonly string[]): Promise<string[]> {
    return Promise.all([...new Set(identifiers)].map((identifier) => this.#describe(identifier)));
  }

  /** Deletes values that nobody can have written: Route 53 checks permissions first, then refuses the batch, which is atomic. */
  async checkRights(identifiers: readonly string[]): Promise<ZoneRights[]> {
    const locate = async (identifier: string) => ({
      identifier,
      at: await this.#locationOf(identifier).catch(problemOf),
    });
    const located = await inParallel(identifiers, LOCATED_AT_ONCE, locate, (identifier) => identifier);
    const namesByZone = new Map<Route53Zone, Set<string>>();
    for (const { at } of located) {
      if (typeof at === 'string') continue;
      namesByZone.set(at.zone, (namesByZone.get(at.zone) ?? new Set()).add(at.name));
    }
    const tried = [...namesByZone].map(([zone, names]) => this.#tryZone(zone, [...names]));
    const problems = new Map((await Promise.all(tried)).flat());
    return located.map(({ identifier, at }) => {
      if (typeof at === 'string') return { identifier, problem: at };
      const problem = problems.get(at.name);
      const location = `${at.name} in ${at.zone.title}`;
      return { identifier, location, ...(problem !== undefined && { problem }) };
    });
  }

  /** @returns by record name, why it cannot be written */
  async #tryZone(zone: Route53Zone, names: readonly string[]): Promise<[name: string, problem: string][]> {
    const problems: [string, string][] = [];
    for (let from = 0; from < names.length; from += TRIED_TOGETHER) {
      const batch = names.slice(from, from + TRIED_TOGETHER);
      const problem = await this.#tryNames(zone, batch);
      if (problem === undefined) continue;
      // What denies one name denies the batch.
      for (const name of batch) {
        const own = batch.length === 1 ? problem : await this.#tryNames(zone, [name]);
        if (own !== undefined) problems.push([name, own]);
      }
    }
    return problems;
  }

  /** @returns why they cannot be written */
  async #tryNames(zone: Route53Zone, names: readonly string[]): Promise<string | undefined> {
    const values = [`"pemfleet-check-${randomBytes(16).toString('hex')}"`];
    try {
      await zone.list(names.slice(0, 1));
      await zone.change(names.map((name) => ({ action: 'DELETE', name, set: { ttl: 60, values } })));
      return undefined;
    } catch (error) {
      return problemOf(error);
    }
  }

  close(): void {
    for (const { api } of this.#accounts.values()) api.close();
  }

  /** Ends when all have ended, so that no change is under way when the caller cleans up. @throws what failed first in the list */
  async #forEach(
    challenges: readonly PresentedChallenge[],
    change: (location: TxtLocation, value: string) => Promise<void>,
  ): Promise<void> {
    const ends = await Promise.allSettled(
      challenges.map(async (challenge) =>
        change(await this.#locationOf(challenge.identifier), txtValue(challenge)),
      ),
    );
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #locationOf(identifier: string): Promise<TxtLocation> {
    const location = this.#locations.get(identifier) ?? this.#locate(identifier);
    this.#locations.set(identifier, location);
    return location;
  }

  async #locate(identifier: string): Promise<TxtLocation> {
    const name = await dnsTarget(identifier, this.#lookup);
    const settings = hostedZoneSettingsFor(name, this.#settings);
    const account = this.#accountOf(settings ?? {});
    const id = settings?.hostedZoneId;
    const zone = id === undefined ? await account.zoneOf(name) : await account.zoneById(id);
    const batcher = this.#batchers.get(zone.id) ?? new ChangeBatcher(zone, this.#timing);
    this.#batchers.set(zone.id, batcher);
    return { name, zone, batcher };
  }

  #accountOf({ roleArn, externalId }: Route53Access): HostedZones {
    const key = `${roleArn} ${externalId}`;
    const opened = this.#accounts.get(key);
    if (opened !== undefined) return opened;
    const account = new HostedZones(new Route53Api({ roleArn, externalId }, this.#timing));
    this.#accounts.set(key, account);
    return account;
  }

  /** Returns the error text in place of a location: a dry run is there to surface it. */
  async #describe(identifier: string): Promise<string> {
    const own = `_acme-challenge.${identifier}`;
    try {
      const { name, zone } = await this.#locationOf(identifier);
      return `${own}${name === own ? '' : ` → ${name}`} in ${zone.title}`;
    } catch (error) {
      return `${own}: ${codeOf(error)} ${messageOf(error)}`;
    }
  }
}

/** RFC 8555 §8.4: base64url of the SHA-256 of the key authorization. */
function txtValue({ keyAuthorization }: PresentedChallenge): string {
  return createHash('sha256').update(keyAuthorization).digest('base64url');
}
