/** DNS-01 (RFC 8555 §8.4) by Route 53: the digest of the key authorization as a TXT value, in the zone that holds its name. */
import { createHash } from 'node:crypto';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Timing } from '../../acme/poll.ts';
import { type DnsSettings, hostedZoneSettingsFor } from '../../config/dns.ts';
import { type CnameLookup, cnameLookup, dnsTarget } from '../dns-target.ts';
import type { ChallengeSolver, PresentedChallenge } from '../solver.ts';
import { type Route53Account, route53Account } from './account.ts';
import { type Access, openRoute53, type Route53Api } from './api.ts';
import { type TxtLoader, txtLoader } from './txt-loader.ts';
import { route53Zone, withoutTrailingDot, zoneIdOf } from './zone.ts';

/** Where the TXT values of an identifier belong. */
interface Place {
  name: string;
  /** Of the zone, for people. */
  zone: string;
  loader: TxtLoader;
}

interface Opened {
  api: Route53Api;
  account: Route53Account;
}

export function route53Solver({ hostedZones, resolvers }: DnsSettings, timing: Timing): ChallengeSolver {
  const lookup: CnameLookup = cnameLookup(resolvers);
  const accounts = new Map<string, Opened>();
  const loaders = new Map<string, TxtLoader>();
  const places = new Map<string, Promise<Place>>();

  function accountOf({ roleArn, externalId }: Access): Opened {
    const key = `${roleArn} ${externalId}`;
    const known = accounts.get(key);
    if (known !== undefined) return known;
    const api = openRoute53({ roleArn, externalId }, timing);
    const opened = { api, account: route53Account(api) };
    accounts.set(key, opened);
    return opened;
  }

  async function find(identifier: string): Promise<Place> {
    const name = await dnsTarget(identifier, lookup);
    const settings = hostedZoneSettingsFor(name, hostedZones);
    const { api, account } = accountOf(settings ?? {});
    const id = settings?.hostedZoneId;
    const zone = id === undefined ? await account.zoneOf(name) : await account.zoneById(id);
    const loader = loaders.get(zoneIdOf(zone)) ?? txtLoader(route53Zone(api, zone), timing);
    loaders.set(zoneIdOf(zone), loader);
    return { name, zone: `${withoutTrailingDot(zone.Name)} (${zoneIdOf(zone)})`, loader };
  }

  const place = (identifier: string) => {
    const known = places.get(identifier) ?? find(identifier);
    places.set(identifier, known);
    return known;
  };
  const forEach = async (
    challenges: readonly PresentedChallenge[],
    work: (place: Place, value: string) => Promise<void>,
  ) => {
    const all = await Promise.allSettled(
      challenges.map(async (challenge) => work(await place(challenge.identifier), txtValue(challenge))),
    );
    const failed = all.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  return {
    type: 'dns-01',
    isBatched: true,
    present: (challenges) => forEach(challenges, ({ loader, name }, value) => loader.add(name, value)),
    cleanUp: (challenges) => forEach(challenges, ({ loader, name }, value) => loader.remove(name, value)),
    places: (identifiers) =>
      Promise.all([...new Set(identifiers)].map((identifier) => describe(identifier, place))),
    close: () => {
      for (const { api } of accounts.values()) api.close();
    },
  };
}

/** What is in the way is told in the place's stead: a plan is there to find it. */
async function describe(identifier: string, find: (identifier: string) => Promise<Place>): Promise<string> {
  const own = `_acme-challenge.${identifier}`;
  try {
    const { name, zone } = await find(identifier);
    return `${own}${name === own ? '' : ` → ${name}`} in hosted zone ${zone}`;
  } catch (error) {
    return `${own}: ${codeOf(error)} ${messageOf(error)}`;
  }
}

/** RFC 8555 §8.4: base64url of the SHA-256 of the key authorization. */
export function txtValue({ keyAuthorization }: PresentedChallenge): string {
  return createHash('sha256').update(keyAuthorization).digest('base64url');
}
