/** Whose fault a failure is: this decides whether another CA is asked, and how long is waited for this one. */
import {
  AcmeProblem,
  AcmeStuck,
  AuthorizationFailed,
  AuthorizationsFailed,
  entryOf,
  NoAcmeAnswer,
  type ProblemDocument,
  typeOf,
  UntrustedIssuer,
} from './problem.ts';

/**
 * `ca`: it gives no answer or no end, has an error of its own, or limits the rate; it passes by itself. `policy`: this CA refuses what
 * another one may accept. `ours`: any CA would refuse it.
 */
export type Fault = 'ca' | 'policy' | 'ours';

/** The error types of RFC 8555 §6.7, RFC 9773 §7.4 and draft-ietf-acme-profiles §6, as the refusal of a request or of an order. */
const FAULTS: Readonly<Record<string, Fault>> = {
  badNonce: 'ca',
  rateLimited: 'ca',
  serverInternal: 'ca',
  badCSR: 'policy',
  orderNotReady: 'policy',
  badPublicKey: 'policy',
  badSignatureAlgorithm: 'policy',
  caa: 'policy',
  externalAccountRequired: 'policy',
  // Our requests are the same for all CAs: who calls one malformed alone is alone with it.
  malformed: 'policy',
  invalidContact: 'policy',
  invalidProfile: 'policy',
  rejectedIdentifier: 'policy',
  // The account is deactivated, or its binding to a customer has expired: names are refused by other types.
  unauthorized: 'policy',
  unsupportedContact: 'policy',
  unsupportedIdentifier: 'policy',
  userActionRequired: 'policy',
  accountDoesNotExist: 'ours',
  alreadyReplaced: 'ours',
  alreadyRevoked: 'ours',
  badRevocationReason: 'ours',
  connection: 'ours',
  dns: 'ours',
  incorrectResponse: 'ours',
  tls: 'ours',
};

/** The same types where a validation has failed: there they are of the name (smallstep calls a wrong answer `rejectedIdentifier`). */
const OF_A_CHALLENGE: Readonly<Record<string, Fault>> = {
  malformed: 'ours',
  rejectedIdentifier: 'ours',
  unauthorized: 'ours',
};

export function faultOf(error: unknown): Fault {
  if (error instanceof NoAcmeAnswer || error instanceof AcmeStuck) return 'ca';
  if (error instanceof UntrustedIssuer) return 'policy';
  if (error instanceof AuthorizationsFailed) return heaviest(error.failures.map(faultOf));
  if (error instanceof AuthorizationFailed) {
    // It does not offer the challenge, or gives no reason: another CA may do better.
    if (error.problem === undefined) return 'policy';
    if (error.challenge === undefined) return faultOfDocument(error.problem, {}, 'policy');
    return faultOfDocument(error.problem, OF_A_CHALLENGE, 'ours');
  }
  if (!(error instanceof AcmeProblem)) return 'ours';
  if (error.status >= 500 || error.status === 429) return 'ca';
  return faultOfDocument(error.document, {}, 'policy');
}

/** What a CA refuses of one order; whatever else it answers where no order was placed, it answers all certificates. */
const OF_AN_ORDER: ReadonlySet<string> = new Set([
  'badCSR',
  'badSignatureAlgorithm',
  'caa',
  'invalidProfile',
  'orderNotReady',
  'rejectedIdentifier',
  'unsupportedIdentifier',
]);

/** The CA lets no certificate's order come about. */
export function concernsAll(error: unknown): boolean {
  if (error instanceof AuthorizationFailed || faultOf(error) === 'ours') return false;
  return !(error instanceof AcmeProblem && OF_AN_ORDER.has(error.type));
}

/** §6.7.1: a problem with subproblems is as bad as the worst of them. A type that nobody knows is this CA's own, but of a challenge. */
function faultOfDocument(
  document: ProblemDocument,
  special: Readonly<Record<string, Fault>>,
  unknown: Fault,
): Fault {
  const { subproblems = [] } = document;
  if (subproblems.length > 0) {
    return heaviest(subproblems.map((part) => faultOfDocument(part, special, unknown)));
  }
  const type = typeOf(document);
  return entryOf(special, type) ?? entryOf(FAULTS, type) ?? unknown;
}

/** Where several names have failed, another CA helps only if it helps each of them. */
function heaviest(faults: readonly Fault[]): Fault {
  if (faults.includes('ours')) return 'ours';
  return faults.includes('policy') ? 'policy' : 'ca';
}
