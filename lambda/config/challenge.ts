/** How control of names is proven: one way, or several in order of preference. */
import { isIP } from 'node:net';
import * as z from 'zod';

export const CHALLENGES = ['http-01', 'http-01-stateless', 'dns-01', 'dns-persist-01'] as const;
export type ChallengeName = (typeof CHALLENGES)[number];

const word = z.enum(CHALLENGES);
const list = z
  .array(word)
  .min(1)
  .refine((words) => new Set(words).size === words.length, 'names a challenge twice');

/** A word is short for a list of one. */
export const challenge = z
  .union([word, list], {
    error: `wanted ${CHALLENGES.join(', ')}, or a list of them in order of preference, each once`,
  })
  .transform((value): ChallengeName[] => (typeof value === 'string' ? [value] : value));

/** @returns why this challenge cannot prove the identifier (RFC 8555 §7.1.3, RFC 8738 §7) */
function challengeProblem(identifier: string, name: ChallengeName): string | undefined {
  const isDns = name === 'dns-01' || name === 'dns-persist-01';
  if (!isDns && identifier.startsWith('*.')) {
    return `${identifier}: a wildcard needs challenge: dns-01 or dns-persist-01, HTTP-01 cannot prove it`;
  }
  if (isDns && isIP(identifier)) {
    return `${identifier}: an IP address needs challenge: http-01, ${name.toUpperCase()} cannot prove it`;
  }
  return undefined;
}

/** What the names of one certificate are proven by. */
interface Subject {
  identifiers: readonly string[];
  challenge?: readonly ChallengeName[] | undefined;
}

/** Its own list, or those of the default that can prove all of its names. */
export function challengesOf(subject: Subject, inherited: readonly ChallengeName[]): ChallengeName[] {
  const { identifiers, challenge: own = inherited } = subject;
  return own.filter((name) =>
    identifiers.every((identifier) => challengeProblem(identifier, name) === undefined),
  );
}

/**
 * Complains of names that no challenge can prove. Every challenge of a certificate's own list must suit all its names; of the default, one
 * that proves all names is enough.
 * @param complain its index: that of the identifier; `undefined`: it is about all of them
 */
export function checkChallenges(
  subject: Subject,
  inherited: readonly ChallengeName[],
  complain: (index: number | undefined, message: string) => void,
): void {
  const { identifiers, challenge: own } = subject;
  let isComplained = false;
  identifiers.forEach((identifier, index) => {
    const problems = (own ?? inherited).map((name) => challengeProblem(identifier, name));
    const [problem] = problems.filter((text) => text !== undefined);
    if (problem === undefined || (own === undefined && problems.includes(undefined))) return;
    isComplained = true;
    complain(index, problem);
  });
  if (isComplained || challengesOf(subject, inherited).length > 0) return;
  complain(undefined, `none of ${inherited.join(', ')} proves all of these names: make two certificates`);
}
