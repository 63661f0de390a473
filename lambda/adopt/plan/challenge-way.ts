/** How the names of an adopted certificate are proven from now on, with HAProxy's configuration as it is. Pure. */

import type { ChallengeName } from '../../config/challenge.ts';
import type { HaproxyConfiguration } from '../../init/plan/haproxy-config.ts';
import { sectionNamed } from '../../init/plan/haproxy-config.ts';
import { isFront, type Section } from '../../init/plan/sections.ts';
import type { OldChallenge } from '../clients/lineage.ts';

/** Where HAProxy lets challenges of HTTP-01 go today. */
export type ChallengeRoute =
  /** A server on this machine; `address` as a bind has it. */
  | { kind: 'server'; address: string; port: number; backend: string }
  /** HAProxy itself answers, from a thumbprint that stands in the line. */
  | { kind: 'thumbprint'; line: string }
  /** Nowhere, or not on this machine. */
  | { kind: 'none' };

export interface ChallengeWay {
  challenge: ChallengeName;
  /** Where the responder listens in place of the old client; absent: where it always does. */
  listen?: string;
  /** What is to be done before the next renewal; absent: nothing. */
  todo?: string;
}

const CHALLENGE_PATH = '/.well-known/acme-challenge';

export function challengeRoute(config: HaproxyConfiguration): ChallengeRoute {
  for (const section of config.sections.filter(isFront)) {
    const answer = section.lines.find(
      ({ words }) => words[0] === 'http-request' && words[1] === 'return' && words.includes('lf-string'),
    );
    const text = answer?.words.find((word) => word.includes('path,field(-1,/)'));
    if (text !== undefined) return { kind: 'thumbprint', line: text };
    for (const name of backendsForChallenges(section)) {
      const server = loopbackServer(sectionNamed(config, ['backend', 'listen'], name));
      if (server !== undefined) return { kind: 'server', backend: name, ...server };
    }
  }
  return { kind: 'none' };
}

function backendsForChallenges({ lines }: Section): string[] {
  const isPath = (word: string) => word.startsWith(CHALLENGE_PATH);
  const acls = lines
    .filter(({ words }) => words[0] === 'acl' && words.some(isPath))
    .map(({ words }) => words[1] ?? '');
  return lines
    .filter(({ words }) => words[0] === 'use_backend')
    .filter(({ words }) => words.some((word) => isPath(word) || acls.includes(word)))
    .map(({ words }) => words[1] ?? '');
}

/** Of several servers, nobody knows which one the CA gets. */
function loopbackServer(backend: Section | undefined): { address: string; port: number } | undefined {
  const servers = backend?.lines.filter(({ words }) => words[0] === 'server') ?? [];
  const [, host = '', port = ''] = /^(?:ipv[46]@)?(.+):(\d+)$/.exec(servers[0]?.words[2] ?? '') ?? [];
  const local = host === 'localhost' ? '127.0.0.1' : host.replace(/^::1$/, '[::1]');
  if (servers.length !== 1 || !/^(127\.[\d.]+|\[::1\])$/.test(local)) return undefined;
  return { address: `${local}:${port}`, port: Number(port) };
}

export interface WaySubject {
  old: OldChallenge | undefined;
  hasWildcard: boolean;
  route: ChallengeRoute;
  /** Of the account that is taken over; undefined: a new one is registered. */
  thumbprint: string | undefined;
  /** Whether some program listens on a port. */
  isListening: (port: number) => boolean;
}

const ROUTE_53: ReadonlySet<string> = new Set(['route53', 'aws']);

export function challengeWay(subject: WaySubject): ChallengeWay {
  const { old, hasWildcard } = subject;
  if (old?.kind === 'dns') return byDns(old.provider, subject);
  if (hasWildcard) return { challenge: 'dns-persist-01', todo: PERSIST };
  return byHttp(subject);
}

const PERSIST =
  'a wildcard is proven by one TXT record that stays: "pemfleet dns-records" prints it (or Route 53: challenge: dns-01, docs/dns-01.md)';

function byDns(provider: string, subject: WaySubject): ChallengeWay {
  if (ROUTE_53.has(provider)) {
    const todo =
      'credentials for Route 53 in /etc/pemfleet/pemfleet.env, or the role of the machine: docs/dns-01.md';
    return { challenge: 'dns-01', todo };
  }
  if (subject.hasWildcard)
    return { challenge: 'dns-persist-01', todo: `${provider} is not asked: ${PERSIST}` };
  const way = byHttp({ ...subject, old: undefined });
  return {
    ...way,
    todo: way.todo ?? `by HTTP-01 in place of ${provider}: port 80 of its names must lead here`,
  };
}

function byHttp({ old, route, thumbprint, isListening }: WaySubject): ChallengeWay {
  if (route.kind === 'thumbprint') {
    const isOurs = thumbprint !== undefined && route.line.includes(thumbprint);
    if (isOurs) return { challenge: 'http-01-stateless' };
    const todo =
      "HAProxy answers challenges from another account's thumbprint: pemfleet haproxy-config prints the line for the account that orders";
    return { challenge: 'http-01-stateless', todo };
  }
  if (route.kind === 'none') return { challenge: 'http-01', todo: NO_ROUTE };
  const isOfOld = old?.kind === 'standalone' ? old.port === route.port : !isListening(route.port);
  if (isOfOld && old?.kind !== 'webroot') return { challenge: 'http-01', listen: route.address };
  const todo = `HAProxy sends challenges to ${route.address} (backend ${route.backend}), where another program answers: ${LINES}`;
  return { challenge: 'http-01', todo };
}

const LINES = 'pemfleet init --apply puts the lines for the responder in, by one reload';
const NO_ROUTE = `HAProxy has no line for challenges of HTTP-01: ${LINES}`;
