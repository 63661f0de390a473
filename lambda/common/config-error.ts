/** A configuration that is refused, and how its faults are printed, for both programs. */

/** The configuration or the command line is wrong: the program does not start. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly code: ConfigErrorCode;
  constructor(code: ConfigErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type ConfigErrorCode = 'ERR_CONFIG' | 'ERR_USAGE';

/** A fault that a schema found (zod's issue). */
export interface ConfigIssue {
  code?: string | undefined;
  path: PropertyKey[];
  message: string;
}

/** One line for each fault, with the path of the culprit: `certificates[0].names: …`. */
export function issueLines(issues: readonly ConfigIssue[]): string[] {
  return issues.map(({ path, message }) => {
    // zod's "Invalid input: expected string, received undefined" buries the news in its last word.
    const what = message.replace(/^Invalid input: (.+), received undefined$/, 'is missing, $1');
    return `${pathOf(path) || '(whole file)'}: ${what}`;
  });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}
