/** Authorization objects (RFC 8555 §7.1.4), their challenges (§7.1.5, §8) and how the client proves control (§7.5). */
import { SECOND_MS } from '#common/time.ts';
import type { AcmeClient } from './client.ts';
import { LONGEST_SLEEP_MS, pollUntil, type Timing, type ValidationSlot } from './poll.ts';
import {
  AcmeDeadline,
  AcmeProblem,
  AcmeStuck,
  AuthorizationFailed,
  type Identifier,
  NoAcmeAnswer,
  NoAnswerInTime,
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
  /** Random base64url value that identifies the challenge; the first half of the key authorization (§8.1). dns-persist-01 has none. */
  token: string;
  /** Of dns-persist-01: domain names that stand for the CA in a record (draft-ietf-acme-dns-persist-02 §3.1). */
  issuerDomainNames?: unknown;
  /** The same, in drafts 00 and 01. */
  'issuer-domain-names'?: unknown;
  /** Why the validation, or its last try, failed (§8.2). */
  error?: ProblemDocument | null;
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
  /** RFC 3339: the CA takes the authorization for invalid after it. */
  expires?: string;
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
    authorization.challenges.every(isChallenge);
  if (!isAuthorization) throw new NoAcmeAnswer(`${url} answered something else than an authorization`);
  return { ...(authorization as Authorization), url };
}

/** A challenge of dns-persist-01 has no token. */
function isChallenge(given: Partial<Challenge> | null): boolean {
  const { type, url, token } = given ?? {};
  return (
    typeof type === 'string' && [url, token].every((text) => ['string', 'undefined'].includes(typeof text))
  );
}

/** §8.1: the text that proves, where the CA looks for it, that the account's holder controls the identifier. */
export function keyAuthorization(client: AcmeClient, challenge: Challenge): string {
  return `${challenge.token}.${client.thumbprint}`;
}

/**
 * §7.5.1: asks the CA to validate, or to try again (§8.2). A challenge that is no longer pending is left to the poll, and so is one
 * whose CA validates before it answers and takes longer for it than an exchange may.
 */
export async function respond(client: AcmeClient, challenge: Challenge): Promise<void> {
  if (challenge.status !== 'pending') return;
  try {
    await client.post(challenge.url, {});
  } catch (error) {
    const isMovedOn = error instanceof AcmeProblem && error.type === 'malformed';
    if (!isMovedOn && !(error instanceof NoAnswerInTime)) throw error;
  }
}

/** The error of an earlier try is still shown so long after the next one was asked for, where the CA validates in the background. */
const STALE_ERROR_MS = 5 * SECOND_MS;

/** What the client has done for an authorization, and how long it waits for the outcome. */
export interface Responded {
  /** As it was before the client responded to it. */
  challenge: Challenge;
  /** The CA has no more time than until then, beyond the Retry-After that it gives. */
  until: Date;
  /** No Retry-After that is longer than a pass sleeps is waited for: the CA has had its time, or the certificate has none. */
  isLast?: boolean | undefined;
  /** In which it was responded to. */
  turn?: ValidationSlot;
}

/**
 * Returns once the authorization is valid.
 * @throws AuthorizationFailed for any other end (§7.1.6) and for a try that failed (§8.2); AcmeStuck; AcmeDeadline
 */
export async function waitValid(
  client: AcmeClient,
  { url, identifier }: Authorization,
  timing: Timing,
  responded?: Responded,
): Promise<void> {
  const begin = timing.now().getTime();
  const what = `authorization of ${identifier.value}`;
  const sinceBegin = () => timing.now().getTime() - begin;
  const failureIn = (authorization: Authorization) => {
    const isStale = sinceBegin() < STALE_ERROR_MS;
    return failureOf(authorization, responded?.challenge, isStale);
  };
  let last: Authorization | undefined;
  let undoneMs: number | undefined;
  const isDone = (authorization: Authorization) => {
    last = authorization;
    if (authorization.status === 'valid' || failureIn(authorization) !== undefined) return true;
    undoneMs = sinceBegin();
    if (responded !== undefined && timing.now() >= responded.until) throw undecided(authorization, responded);
    return false;
  };
  const read = async () => {
    const response = await client.post(url, null);
    return { value: authorizationOf(response, url), retryAfter: response.headers['retry-after'] };
  };
  const pace = client.validations;
  const turn = responded?.turn;
  const sleep = (ms: number) => (turn ? turn.sleep(ms, timing.sleep) : timing.sleep(ms));
  const wait = async () => {
    // Where little time is left, there is one look in the middle of it.
    await sleep(Math.min(pace.waitMs, (timing.deadline.getTime() - begin) / 2));
    return pollUntil(what, read, isDone, { ...timing, sleep, leastMs: () => pace.leastMs });
  };
  const ended = await pace.while(wait).catch((error: unknown) => {
    const isPutOff = isLaterThanPasses(error, timing.now());
    throw isPutOff && responded?.isLast && last ? undecided(last, responded) : error;
  });
  if (ended.status !== 'valid') throw failureIn(ended) ?? notValid(ended);
  pace.learn(undoneMs, sinceBegin());
}

function isLaterThanPasses(error: unknown, now: Date): boolean {
  const retryAfter = error instanceof AcmeDeadline ? error.retryAfter : undefined;
  return retryAfter !== undefined && retryAfter.getTime() - now.getTime() > LONGEST_SLEEP_MS;
}

/**
 * §8.2: an `error` of a challenge that waits for the client is a try that failed; while the CA itself tries again, the challenge is
 * `processing`. smallstep's CAs validate once for each response, and leave both objects pending.
 */
function failureOf(
  authorization: Authorization,
  before: Challenge | undefined,
  isStale: boolean,
): AuthorizationFailed | undefined {
  if (authorization.status !== 'pending') {
    return authorization.status === 'valid' ? undefined : notValid(authorization);
  }
  const challenge = before && authorization.challenges.find(({ url }) => url === before.url);
  if (challenge === undefined) return undefined;
  const { error, status } = challenge;
  const isOld = isStale && before?.error && JSON.stringify(error) === JSON.stringify(before.error);
  const isFailed = status === 'invalid' || (status === 'pending' && error && !isOld);
  return isFailed ? tryFailed(authorization, challenge) : undefined;
}

function tryFailed({ identifier }: Authorization, { error, status, type }: Challenge): AuthorizationFailed {
  return new AuthorizationFailed(
    identifier.value,
    `${type} challenge is ${status}`,
    error ?? undefined,
    type,
  );
}

/** The CA still tries: what it says of its last try is the name's fault, silence is its own. */
function undecided(authorization: Authorization, { challenge: { url } }: Responded): Error {
  const challenge = authorization.challenges.find((other) => other.url === url);
  if (challenge?.error) return tryFailed(authorization, challenge);
  const seen = `${authorization.status}, its challenge ${challenge?.status ?? 'gone'}`;
  return new AcmeStuck(
    `${authorization.identifier.value}: the CA does not validate it; authorization is ${seen}`,
  );
}

/** The error carries the problem of the challenge that failed, if there is one. */
export function notValid({ identifier, status, challenges }: Authorization): AuthorizationFailed {
  const failed = challenges.find((challenge) => challenge.error);
  const error = failed?.error ?? undefined;
  return new AuthorizationFailed(identifier.value, `authorization is ${status}`, error, failed?.type);
}
