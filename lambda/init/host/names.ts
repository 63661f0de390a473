/** Which certificates HAProxy's configuration asks for: those that it serves, and the hosts that it routes. */
import { coversName, identifier, internalNameProblem, underscoreProblem } from '../../config/identifier.ts';
import { identifierAdvice } from '../../config/identifier-advice.ts';
import type { ServedCertificate } from '../plan/tls-binds.ts';
import type { NamedHost } from './host-names.ts';

/** Names of one certificate, and where the configuration has them. */
export interface NameGroup {
  names: readonly string[];
  from: string;
}

export interface ProposedNames {
  groups: readonly NameGroup[];
  /** What is there, and why no certificate is proposed for it. */
  skipped: readonly { name: string; from: string; why: string }[];
}

/** One bad name fails all of its certificate: each certificate of today stays one, each other name gets its own. */
export function proposeNames(
  served: readonly ServedCertificate[],
  hosts: readonly NamedHost[],
  challenge: 'http-01' | 'dns-01',
): ProposedNames {
  const groups: NameGroup[] = [];
  const skipped: { name: string; from: string; why: string }[] = [];
  const isTaken = (name: string) => groups.some(({ names }) => names.some((one) => coversName(one, name)));
  const sift = (names: readonly string[], from: string): string[] =>
    names.flatMap((given) => {
      const { name, problem } = checkName(given, challenge);
      if (problem !== undefined) skipped.push({ name: given, from, why: problem });
      return problem === undefined && !isTaken(name) ? [name] : [];
    });
  for (const { file, names, isPlaceholder } of served) {
    if (isPlaceholder) {
      const why = 'the certificate is self-signed or expired';
      skipped.push(...names.map((name) => ({ name, from: file, why })));
      continue;
    }
    const good = [...new Set(sift(names, file))];
    if (good.length > 0) groups.push({ names: good.slice(0, 100), from: file });
  }
  for (const { name, at } of hosts) {
    const [good] = sift([name], at);
    if (good !== undefined) groups.push({ names: [good], from: at });
  }
  const unique = skipped.filter(
    ({ name }, index) => skipped.findIndex((one) => one.name === name) === index && !isTaken(name),
  );
  return { groups, skipped: unique };
}

export function checkName(text: string, challenge: 'http-01' | 'dns-01'): { name: string; problem?: string } {
  const parsed = identifier.safeParse(text);
  if (!parsed.success) {
    const problem = identifierAdvice(text) ?? parsed.error.issues[0]?.message ?? 'is no name';
    return { name: text, problem };
  }
  const name = parsed.data;
  const internal = internalNameProblem(name) ?? underscoreProblem(name);
  if (internal !== undefined) return { name, problem: internal };
  if (challenge === 'http-01' && name.startsWith('*.')) {
    return { name, problem: 'a wildcard needs --challenge dns-01 (Route 53)' };
  }
  return { name };
}
