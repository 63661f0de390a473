/** Authorization objects (RFC 8555 §7.1.4), their challenges (§7.1.5, §8) and how the client proves control (§7.5). */
import type { AcmeClient } from './client.ts';
import { pollUntil, type Timing } from './poll.ts';
import {
  AcmeProblem,
  AuthorizationFailed,
  type Identifier,
  NoAcmeAnswer,
  type ProblemDocument,
} from './problem.ts';
import type { AcmeResponse } from './transport.ts';

/** One way that the CA offers to prove control of an identifier (§8). */
export interface Challenge {
  /** Method of the proof: `http-01` (§8.3), `dns-01` (§8.4), … */
  type: string;
  /** URL to which the client responds. */
  url: string;
  /** `processing`: the client has responded and the CA validates (§7.1.6). */
  status: 'pending' | 'processing' | 'valid' | 'invalid';
  /** Random base64url value that identifies the challenge; the first half of the key authorization (§8.1). */
  token: string;
  /** Why the validation failed. */
  error?: ProblemDocument;
}

/** The account's right to a certificate for one identifier (§7.1.4). */
export interface Authorization {
  /** Not in the RFC's object: the URL it was read from. */
  url: string;
  /** What the account may represent; of a wildcard, the name without `*.`. */
  identifier: Identifier;
  /** `pending` until one challenge is valid or one has failed (§7.1.6). */
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
  /** True if the order names the wildcard of this identifier. */
  wildcard?: boolean;
  /** Pending: those that the client can choose from; valid: the one that was met; invalid: the one that failed. */
  challenges: Challenge[];
}

export async function getAuthorization(client: AcmeClient, url: string): Promise<Authorization> {
  return authorizationOf(await client.post(url, null), url);
}

/** Checks for the fields that §7.1.4 requires: a proxy may answer with anything. */
function authorizationOf({ data }: AcmeResponse, url: string): Authorization {
  const authorization = (data ?? {}) as Partial<Authorization>;
  const isAuthorization =
    typeof authorization.status === 'string' &&
    typeof authorization.identifier?.value === 'string' &&
    Array.isArray(authorization.challenges) &&
    authorization.challenges.every((challenge) => typeof challenge?.type === 'string');
  if (!isAuthorization) throw new NoAcmeAnswer(`${url} answered something else than an authorization`);
  return { ...(authorization as Authorization), url };
}

/** §8.1: the text that proves, where the CA looks for it, that the account's holder controls the identifier. */
export function keyAuthorization(client: AcmeClient, challenge: Challenge): string {
  return `${challenge.token}.${client.thumbprint}`;
}

/** §7.5.1: asks the CA to validate. A challenge that is no longer pending is left to the poll. */
export async function respond(client: AcmeClient, challenge: Challenge): Promise<void> {
  if (challenge.status !== 'pending') return;
  try {
    await client.post(challenge.url, {});
  } catch (error) {
    if (!(error instanceof AcmeProblem) || error.type !== 'malformed') throw error;
  }
}

/** The CA validates over the network first: an earlier poll would be wasted. */
const SHORTEST_VALIDATION_MS = 50;

/** Returns once the authorization is valid. @throws AuthorizationFailed for any other end (§7.1.6), AcmeDeadline */
export async function waitValid(
  client: AcmeClient,
  { url, identifier }: Authorization,
  timing: Timing,
): Promise<void> {
  const what = `authorization of ${identifier.value}`;
  const isDone = (authorization: Authorization) => authorization.status !== 'pending';
  const read = async () => {
    const response = await client.post(url, null);
    return { value: authorizationOf(response, url), retryAfter: response.headers['retry-after'] };
  };
  await timing.sleep(Math.min(SHORTEST_VALIDATION_MS, timing.deadline.getTime() - timing.now().getTime()));
  const ended = await pollUntil(what, read, isDone, timing);
  if (ended.status === 'valid') return;
  throw notValid(ended);
}

/** The error carries the problem of the challenge that failed, if there is one. */
export function notValid({ identifier, status, challenges }: Authorization): AuthorizationFailed {
  const failed = challenges.find((challenge) => challenge.error);
  return new AuthorizationFailed(identifier.value, `authorization is ${status}`, failed?.error, failed?.type);
}
