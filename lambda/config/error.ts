/** Failures of the issuing side that belong to no room of their own. */
import type { z } from 'zod';

/** The configuration was refused: nothing was started. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly code = 'ERR_CONFIG';
}

/** One line for each issue, with the path of the culprit. */
export function configError(file: string, error: z.ZodError): ConfigError {
  const lines = error.issues.map((issue) => `  ${pathOf(issue.path) || '(whole file)'}: ${issue.message}`);
  return new ConfigError(`${file} was refused:\n${lines.join('\n')}`);
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}
