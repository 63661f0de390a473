/** Names that a command line gives. */
import { type CertificateName, certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import { UsageError } from './options.ts';

/** @throws UsageError */
export function nameOperand(word: string): CertificateName {
  return parsed(certificateName, word);
}

/** @throws UsageError */
export function fleetOption(word: string): FleetName {
  return parsed(fleetName, word);
}

/** @throws UsageError */
export function oneName(command: string, operands: readonly string[]): CertificateName {
  const [word, ...rest] = operands;
  if (word !== undefined && rest.length === 0) return nameOperand(word);
  throw new UsageError(`${command} wants the name of one certificate, saw ${operands.join(' ') || 'none'}`);
}

function parsed<T>(schema: { safeParse(value: unknown): { success: boolean; data?: T } }, word: string): T {
  const { data } = schema.safeParse(word);
  if (data !== undefined) return data;
  throw new UsageError(`${word} is no name: wanted [a-z0-9_][a-z0-9._-]*`);
}
