/** RFC 8555 §7.1.4, §7.5, §8: authorizations and their challenges. */
import type { AcmeClient } from './client.ts';
import { pollUntil, type Timing } from './poll.ts';
import {
  AcmeProblem,
  AcmeUnreachable,
  AuthorizationFailed,
  type Identifier,
  type ProblemDocument,
} from './problem.ts';
import type { AcmeResponse } from './transport.ts';

export interface Challenge {
  /** `http-01`, `dns-01`, … */
  type: string;
  url: string;
  status: 'pending' | 'processing' | 'valid' | 'invalid';
  token: string;
  error?: ProblemDocument;
}

export interface Authorization {
  /** Added by us: where it was read. */
  url: string;
  identifier: Identifier;
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
  wildcard?: boolean;
  challenges: Challenge[];
}

export async function getAuthorization(client: AcmeClient, url: string): Promise<Authorization> {
  return authorizationOf(await client.post(url, null), url);
}

/** The fields that §7.1.4 requires; whatever else answers under this URL is no authorization. */
function authorizationOf({ data }: AcmeResponse, url: string): Authorization {
  const authorization = (data ?? {}) as Partial<Authorization>;
  const isAuthorization =
    typeof authorization.status === 'string' &&
    typeof authorization.identifier?.value === 'string' &&
    Array.isArray(authorization.challenges) &&
    authorization.challenges.every((challenge) => typeof challenge?.type === 'string');
  if (!isAuthorization) throw new AcmeUnreachable(`${url} answered something else than an authorization`);
  return { ...(authorization as Authorization), url };
}

/** §8.1: what proves that the account's holder controls the identifier. */
export function keyAuthorization(client: AcmeClient, challenge: Challenge): string {
  return `${challenge.token}.${client.thumbprint}`;
}

/** §7.5.1: tells the CA to look. A challenge that somebody else has moved on already is left to the poll. */
export async function respond(client: AcmeClient, challenge: Challenge): Promise<void> {
  if (challenge.status !== 'pending') return;
  try {
    await client.post(challenge.url, {});
  } catch (error) {
    if (!(error instanceof AcmeProblem) || error.type !== 'malformed') throw error;
  }
}

/** The CA asks over the network first: a look before that is a request for nothing. */
const SHORTEST_VALIDATION_MS = 50;

/** Returns when the CA has found it valid. @throws AuthorizationFailed for any other end (§7.1.6) */
export async function waitValid(
  client: AcmeClient,
  { url, identifier }: Authorization,
  timing: Timing,
): Promise<void> {
  const what = `authorization of ${identifier.value}`;
  const isDone = (authorization: Authorization) => authorization.status !== 'pending';
  const read = async () => {
    const response = await client.post(url, null);
    return { ...response, data: authorizationOf(response, url) };
  };
  await timing.sleep(Math.min(SHORTEST_VALIDATION_MS, timing.deadline.getTime() - timing.now().getTime()));
  const ended = await pollUntil<Authorization>(what, read, isDone, timing);
  if (ended.status === 'valid') return;
  const problem = ended.challenges.find((challenge) => challenge.error)?.error;
  throw new AuthorizationFailed(identifier.value, `authorization is ${ended.status}`, problem);
}
