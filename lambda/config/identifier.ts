/** Identifiers of a certificate (RFC 8555 §7.1.3): DNS names as A-labels, IP addresses in their short form. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import * as z from 'zod';
import { canonicalIdentifier } from '#contract/combined-pem.ts';

export const identifier = z.string().transform((value, context) => {
  const problem = identifierProblem(value);
  if (problem === undefined) return isIP(value) ? canonicalIdentifier(value) : toAscii(value);
  context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} ${problem}` });
  return z.NEVER;
});

/** One text for one set of names, in any order: CAs limit their orders by such sets. */
export function exactSet(identifiers: readonly string[]): string {
  return [...identifiers].sort().join();
}

/**
 * Whether a server that holds a certificate for `held` answers for `name` (RFC 9525 §6.3): a wildcard stands for one label, and neither
 * for none nor for an address. A name that is a wildcard itself is covered by the same wildcard only.
 */
export function coversName(held: string, name: string): boolean {
  const [holder, asked] = [canonicalIdentifier(held), canonicalIdentifier(name)];
  if (holder === asked) return true;
  if (!holder.startsWith('*.') || asked.startsWith('*.') || isIP(asked)) return false;
  const dot = asked.indexOf('.');
  return dot > 0 && asked.slice(dot) === holder.slice(1);
}

/** Complains of what CAs refuse in a list of names, before it costs an order. */
export function checkIdentifiers(
  identifiers: readonly string[],
  complain: (index: number, message: string) => void,
): void {
  identifiers.forEach((value, index) => {
    if (identifiers.indexOf(value) !== index) complain(index, `${value} is listed twice`);
    const wildcard = `*.${value.split('.').slice(1).join('.')}`;
    if (value !== wildcard && identifiers.includes(wildcard)) {
      complain(index, `${value} is covered by ${wildcard}; CAs refuse the pair`);
    }
  });
}

/** RFC 8555 §7.1.3: the authorization of `*.example.com` is one for `example.com`. */
export function withoutWildcard(identifier: string): string {
  return identifier.replace(/^\*\./, '');
}

/** @returns why public CAs refuse it: the CA/Browser Forum's Baseline Requirements forbid internal names; private CAs may know them */
export function internalNameProblem(identifier: string): string | undefined {
  if (isIP(identifier) || withoutWildcard(identifier).includes('.')) return undefined;
  return `"${identifier}" is no fully qualified DNS name or IP address: only a private CA, one with caFile, can certify it`;
}

/** @returns why the CAs that are known refuse it (Baseline Requirements §7.1.4.2.1: labels of hosts have no underscore) */
export function underscoreProblem(identifier: string): string | undefined {
  if (!identifier.includes('_')) return undefined;
  return `"${identifier}" has an underscore, which public CAs refuse: rename it; only a private CA, one with caFile, can certify it`;
}

function identifierProblem(value: string): string | undefined {
  if (isIP(value)) return value.includes('%') ? 'has a zone: no CA knows it' : undefined;
  const ascii = toAscii(value);
  const labels = withoutWildcard(ascii).split('.');
  if (value.includes('*') && !/^\*\.[^*]+$/.test(value)) {
    return 'has a * elsewhere than as the whole first label';
  }
  // domainToASCII() reads a host as a URL does: it drops a path and takes `127.1` for an address.
  if (/[/\\?#%]/.test(value.normalize('NFKC')) || isIP(ascii)) return 'is no DNS name';
  if (ascii === '' || ascii.length > 253) return 'is no fully qualified DNS name or IP address';
  const isLabel = (label: string) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
  if (labels.every(isLabel)) return undefined;
  return 'is no DNS name: labels hold letters, digits and inner hyphens, at most 63 of them';
}

/** The A-labels (IDNA) that the CA and the certificate use. */
function toAscii(value: string): string {
  const wildcard = value.startsWith('*.') ? '*.' : '';
  return wildcard + domainToASCII(value.slice(wildcard.length)).toLowerCase();
}
