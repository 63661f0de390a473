/**
 * Failures of the CA. The problem document (RFC 7807, RFC 8555 §6.7) *is* the error: type, status, subproblems
 * and Retry-After stay, because the reaction depends on them.
 */
import { printable } from '#common/printable.ts';
import { shortened } from '#common/shorten.ts';

/** What a certificate can name (RFC 8555 §7.1.3, §9.7.7). */
export interface Identifier {
  /** `dns`: RFC 8555 §7.1.3; `ip`: RFC 8738. */
  type: 'dns' | 'ip';
  /** A-labels of a DNS name, or an address in its short form. */
  value: string;
}

/** What the CA says went wrong (RFC 7807 §3.1). */
export interface ProblemDocument {
  /** URI of the kind of problem: `urn:ietf:params:acme:error:…`, or `about:blank`. */
  type: string;
  /** What is wrong this time, for people. */
  detail?: string;
  /** HTTP status that the server gave with it. */
  status?: number;
  /** The identifier that a subproblem is about (RFC 8555 §6.7.1). */
  identifier?: Identifier;
  /** One problem for each identifier that failed (RFC 8555 §6.7.1). */
  subproblems?: ProblemDocument[];
}

/** Of a problem with its subproblems, for people. */
const MAX_TEXT = 1000;
/** An order has a hundred identifiers at most. */
const MAX_SUBPROBLEMS = 100;

/** RFC 7807 §4.2: the status says all; or, of what was no problem document, the detail does. */
const NO_TYPE = 'about:blank';
const PREFIX = 'urn:ietf:params:acme:error:';

/** The CA refused a request. */
export class AcmeProblem extends Error {
  override name = 'AcmeProblem';
  readonly code: 'ERR_ACME_PROBLEM' | 'ERR_ACME_ACCOUNT' = 'ERR_ACME_PROBLEM';
  /** The error type without its URN prefix: `rateLimited`, `badNonce`, …; `http` if the answer was no problem document. */
  readonly type: string;
  readonly status: number;
  readonly document: ProblemDocument;
  readonly retryAfter: Date | undefined;

  constructor(given: ProblemDocument, status: number, retryAfter?: Date) {
    const document = readProblem(given);
    super(describeProblem(document));
    this.type = typeOf(document);
    this.status = status;
    this.document = document;
    this.retryAfter = retryAfter;
  }
}

/** The CA takes nothing from our account any more (RFC 8555 §7.3.6), or registers none: the message says the cure. */
export class AccountRefused extends AcmeProblem {
  override name = 'AccountRefused';
  override readonly code = 'ERR_ACME_ACCOUNT';

  /** @param seen what is wrong with the account, and what to do */
  constructor(seen: string, { document, status, retryAfter }: AcmeProblem) {
    super(document, status, retryAfter);
    this.message = `${seen}; the CA says: ${describeProblem(document)}`;
  }
}

/** No ACME came back from the CA: connection refused or reset, time-out, an answer that is not what RFC 8555 promises. */
export class NoAcmeAnswer extends Error {
  override name = 'NoAcmeAnswer';
  readonly code = 'ERR_ACME_UNREACHABLE';

  /** One line, whatever of the CA's it quotes. */
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** The CA took the request and gave no whole answer in the time that one exchange has. */
export class NoAnswerInTime extends NoAcmeAnswer {
  override name = 'NoAnswerInTime';
}

/** The CA gives no end to what it has begun, in more time than any needs: the order, or the CA, is given up. */
export class AcmeStuck extends Error {
  override name = 'AcmeStuck';
  readonly code = 'ERR_ACME_STUCK';

  /** One line, whatever of the CA's it quotes. */
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** The CA's certificate would take the place of one that browsers trust: lambda/trusted/refused-ca.ts. Another CA may do better. */
export class UntrustedIssuer extends Error {
  override name = 'UntrustedIssuer';
  readonly code = 'ERR_CA_UNTRUSTED';
}

/** The CA does not offer what the configuration asks for; thrown before an order is spent on it. */
export class NotOffered extends Error {
  override name = 'NotOffered';
  readonly code = 'ERR_ACME_NOT_OFFERED';

  /** One line, whatever of the CA's it quotes. */
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** The pass ran out of time while the CA was still at work; the next pass resumes the order. */
export class AcmeDeadline extends Error {
  override name = 'AcmeDeadline';
  readonly code = 'ERR_ACME_DEADLINE';
  readonly retryAfter: Date | undefined;
  constructor(message: string, retryAfter?: Date) {
    super(printable(message));
    this.retryAfter = retryAfter;
  }
}

/** The CA still issues, and the pass does not wait for it: the next look comes at its end, and then in each later one. */
export class StillProcessing extends AcmeDeadline {
  override name = 'StillProcessing';
}

/** An authorization or order ended otherwise than valid (RFC 8555 §7.1.6). */
export class AuthorizationFailed extends Error {
  override name = 'AuthorizationFailed';
  readonly code = 'ERR_AUTHORIZATION';
  readonly identifier: string;
  readonly problem: ProblemDocument | undefined;
  /** The type of the challenge that failed, or that is not offered; undefined: the order itself failed. */
  readonly challenge: string | undefined;
  /** @param challenge `http-01`, `dns-01`: chooses the hint */
  constructor(identifier: string, seen: string, given?: ProblemDocument, challenge?: string) {
    const problem = given ? readProblem(given) : undefined;
    const cause = problem === undefined ? seen : `${seen}: ${describeProblem(problem)}`;
    super(printable(`${identifier}: ${cause}${hintFor(problem, challenge ?? '')}`));
    this.challenge = challenge;
    this.identifier = identifier;
    this.problem = problem;
  }
}

/** Several identifiers of one order failed; each is named with its own reason. */
export class AuthorizationsFailed extends AuthorizationFailed {
  override name = 'AuthorizationsFailed';
  readonly failures: readonly AuthorizationFailed[];

  constructor(failures: readonly AuthorizationFailed[]) {
    const { challenge } = failures.find((failure) => failure.challenge !== undefined) ?? {};
    super(failures.map(({ identifier }) => identifier).join(', '), '', undefined, challenge);
    this.message = printable(joinMessages(failures));
    this.failures = failures;
  }
}

/** Nothing can make this order valid any more, although the CA does not say so: only another order can. */
export class OrderSpent extends AuthorizationFailed {
  override name = 'OrderSpent';
}

/** An order has a hundred names at most; the reasons of so many fit into a line that people read. */
const MAX_REASONS = 5;

/** Each identifier once: the CA may have one authorization for a name and its wildcard. */
export function joinFailures(failures: readonly AuthorizationFailed[]): AuthorizationFailed {
  const byName = new Map(failures.map((failure) => [failure.identifier, failure]));
  const [first, ...others] = [...byName.values()].sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
  if (first === undefined) throw new TypeError('no failure to tell');
  return others.length === 0 ? first : new AuthorizationsFailed([first, ...others]);
}

function joinMessages(failures: readonly AuthorizationFailed[]): string {
  const rest = failures.slice(MAX_REASONS).map(({ identifier }) => identifier);
  const named = failures.slice(0, MAX_REASONS).map(({ message }) => message);
  return [...named, ...(rest.length > 0 ? [`failed as well: ${rest.join(', ')}`] : [])].join('; ');
}

/** The error type without its URN prefix; `http` if it has another one. */
export function typeOf({ type }: ProblemDocument): string {
  return type.startsWith(PREFIX) ? type.slice(PREFIX.length) : 'http';
}

/** Takes over what has the right types: a CA, or a proxy before it, may send anything. */
function readProblem(given: unknown, withSubproblems = true): ProblemDocument {
  const { type, detail, status, identifier, subproblems } = asObject(given);
  const { type: kind, value } = asObject(identifier);
  return {
    type: typeof type === 'string' ? type : 'about:blank',
    ...(typeof detail === 'string' && { detail }),
    ...(typeof status === 'number' && { status }),
    ...(typeof value === 'string' && { identifier: { type: kind as Identifier['type'], value } }),
    ...(withSubproblems &&
      Array.isArray(subproblems) && {
        subproblems: subproblems.slice(0, MAX_SUBPROBLEMS).map((item) => readProblem(item, false)),
      }),
  };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** One line, subproblems included, without the control characters that a hostile CA may send. */
export function describeProblem(document: ProblemDocument): string {
  const type = document.type.replace(PREFIX, '');
  const subject = document.identifier === undefined ? '' : `${document.identifier.value}: `;
  const { detail } = document;
  const said = type === NO_TYPE ? (detail ?? type) : `${type}${detail === undefined ? '' : ` (${detail})`}`;
  const own = `${subject}${said}`;
  const all = [own, ...(document.subproblems ?? []).map(describeProblem)].join('; ');
  return shortened(printable(all), MAX_TEXT);
}

/** The commonest cause behind a validation error (RFC 8555 §6.7 types). */
function hintFor(problem: ProblemDocument | undefined, challenge: string): string {
  const type = problem?.type.replace(PREFIX, '') ?? '';
  const hint = entryOf(HINTS, `${type} ${challenge}`) ?? entryOf(HINTS, type);
  return hint === undefined ? '' : `; ${hint}`;
}

const HINTS: Readonly<Record<string, string>> = {
  connection: 'is port 80 of this name open to the whole internet and does it reach HAProxy?',
  unauthorized:
    'does HAProxy pass /.well-known/acme-challenge/ to the responder, and does that run (pemfleet doctor) or, with http-01-stateless, answer with the thumbprint of this account? pemfleet haproxy-config prints the lines',
  'unauthorized dns-01':
    'do the public name servers of the zone show the TXT value at _acme-challenge? Is the zone delegated to them?',
  dns: 'does the name have an A or AAAA record, and does its DNSSEC validate?',
  'unauthorized dns-persist-01':
    'does the TXT record at _validation-persist name this CA and this account (pemfleet dns-records)?',
  'dns dns-persist-01': 'is the zone delegated to its name servers, and does its DNSSEC validate?',
  'dns dns-01': 'is the zone delegated to its name servers in Route 53, and does its DNSSEC validate?',
  caa: 'does the CAA record of the name allow this CA?',
};

/** @returns what a table has under a word from outside: of `constructor` and its kin, which every object inherits, nothing */
export function entryOf<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
