/** What a command that threw prints, and its exit status: the same on a machine and in a function. */
import { ConfigError } from '#common/config-error.ts';
import { EXIT_WRONG_USER, WrongUser } from '#common/user/wrong-user.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { EXIT } from '../output.ts';
import { UsageError } from './options.ts';

export interface CommandFailure {
  status: number;
  /** For people. */
  text: string;
  /** Of `--json`. */
  document: { version: 1; error: { code: string; message: string } };
}

export function failureOf(error: unknown): CommandFailure {
  const isUsage = error instanceof UsageError;
  const code = isUsage ? 'ERR_USAGE' : codeOf(error);
  const document = { version: 1, error: { code, message: messageOf(error) } } as const;
  if (isUsage) return { status: EXIT.usage, text: `${error.message}\ntry: pemfleet --help\n`, document };
  // The faults of a configuration are several lines: they stay as they are.
  const text = `${code} ${error instanceof ConfigError ? error.message : messageOf(error)}\n`;
  return { status: statusOf(error, code), text, document };
}

function statusOf(error: unknown, code: string): number {
  if (error instanceof WrongUser) return EXIT_WRONG_USER;
  const isConfig = error instanceof ConfigError || code === 'ERR_BUCKET_URL';
  return isConfig ? EXIT.config : EXIT.failed;
}
