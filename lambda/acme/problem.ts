/**
 * Failures of the CA. The problem document (RFC 7807, RFC 8555 §6.7) *is* the error: type, status, subproblems
 * and Retry-After stay, because the reaction depends on them.
 */
import { printable } from '#common/printable.ts';

export interface Identifier {
  type: 'dns' | 'ip';
  value: string;
}

/** RFC 8555 §6.7: what the CA says went wrong, for one identifier where it says which. */
export interface ProblemDocument {
  type: string;
  detail?: string;
  status?: number;
  identifier?: Identifier;
  subproblems?: ProblemDocument[];
}

const PREFIX = 'urn:ietf:params:acme:error:';

export class AcmeProblem extends Error {
  override name = 'AcmeProblem';
  readonly code = 'ERR_ACME_PROBLEM';
  /** The error type without its URN prefix: `rateLimited`, `badNonce`, …; `http` if the answer was no problem document. */
  readonly type: string;
  readonly status: number;
  readonly document: ProblemDocument;
  readonly retryAfter: Date | undefined;

  constructor(given: ProblemDocument, status: number, retryAfter?: Date) {
    const document = readProblem(given);
    super(describeProblem(document));
    this.type = document.type.startsWith(PREFIX) ? document.type.slice(PREFIX.length) : 'http';
    this.status = status;
    this.document = document;
    this.retryAfter = retryAfter;
  }
}

/** The CA could not be talked to: refused, reset, time-out, an answer that is not ACME. */
export class AcmeUnreachable extends Error {
  override name = 'AcmeUnreachable';
  readonly code = 'ERR_ACME_UNREACHABLE';
}

/** The CA does not offer what the configuration wishes; told before an order is spent on it. */
export class NotOffered extends Error {
  override name = 'NotOffered';
  readonly code = 'ERR_ACME_NOT_OFFERED';
}

/** The pass's time ran out while the CA was still at work; the next pass goes on with the same order. */
export class AcmeDeadline extends Error {
  override name = 'AcmeDeadline';
  readonly code = 'ERR_ACME_DEADLINE';
  readonly retryAfter: Date | undefined;
  constructor(message: string, retryAfter?: Date) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** An authorization or order ended otherwise than valid (RFC 8555 §7.1.6). */
export class AuthorizationFailed extends Error {
  override name = 'AuthorizationFailed';
  readonly code = 'ERR_AUTHORIZATION';
  readonly identifier: string;
  readonly problem: ProblemDocument | undefined;
  /** @param challenge `http-01`, `dns-01`: whose commonest cause is told */
  constructor(identifier: string, seen: string, given?: ProblemDocument, challenge = '') {
    const problem = given ? readProblem(given) : undefined;
    const cause = problem === undefined ? seen : `${seen}: ${describeProblem(problem)}`;
    super(`${identifier}: ${cause}${hintFor(problem, challenge)}`);
    this.identifier = identifier;
    this.problem = problem;
  }
}

/** Whether another CA might do better: no answer, an error of its own, or a limit that says "not now". */
export function isCaFault(error: unknown): boolean {
  if (error instanceof AcmeUnreachable) return true;
  return (
    error instanceof AcmeProblem &&
    (error.status >= 500 || error.type === 'rateLimited' || error.status === 429)
  );
}

/** A problem document as far as it is one: a CA, or a proxy before it, may send anything. */
function readProblem(given: unknown, withSubproblems = true): ProblemDocument {
  const { type, detail, status, identifier, subproblems } = asObject(given);
  const { type: kind, value } = asObject(identifier);
  return {
    type: typeof type === 'string' ? type : 'about:blank',
    ...(typeof detail === 'string' && { detail }),
    ...(typeof status === 'number' && { status }),
    ...(typeof value === 'string' && { identifier: { type: kind as Identifier['type'], value } }),
    ...(withSubproblems &&
      Array.isArray(subproblems) && { subproblems: subproblems.map((item) => readProblem(item, false)) }),
  };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** One line, subproblems included; control characters of a hostile CA are taken out. */
export function describeProblem(document: ProblemDocument): string {
  const type = document.type.replace(PREFIX, '');
  const subject = document.identifier === undefined ? '' : `${document.identifier.value}: `;
  const own = `${subject}${type}${document.detail === undefined ? '' : ` (${document.detail})`}`;
  const all = [own, ...(document.subproblems ?? []).map(describeProblem)].join('; ');
  return printable(all).slice(0, 1000);
}

/** The commonest cause behind a validation error (RFC 8555 §6.7 types). */
function hintFor(problem: ProblemDocument | undefined, challenge: string): string {
  const type = problem?.type.replace(PREFIX, '') ?? '';
  const hint = HINTS[`${type} ${challenge}`] ?? HINTS[type];
  return hint === undefined ? '' : `; ${hint}`;
}

const HINTS: Readonly<Record<string, string>> = {
  connection: 'is port 80 of this name open to the whole internet and does it reach HAProxy?',
  unauthorized: 'does HAProxy pass /.well-known/acme-challenge/ to the responder?',
  'unauthorized dns-01':
    'do the public name servers of the zone show the TXT value at _acme-challenge? Is the zone delegated to them?',
  dns: 'does the name have an A or AAAA record, and does its DNSSEC validate?',
  'dns dns-01': 'is the zone delegated to its name servers in Route 53, and does its DNSSEC validate?',
  caa: 'does the CAA record of the name allow this CA?',
};
