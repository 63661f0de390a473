/**
 * Files that the command line names are those of the user who types it. Root opens them before it goes on as another user, who may not even
 * enter the directory, and could not open a pipe of root's (`/dev/stdin`, `<(…)`) again.
 */
import { constants, openSync } from 'node:fs';
import { ConfigError } from '#common/config-error.ts';

export interface GivenFiles {
  'recovery-key'?: string | undefined;
  'serial-file'?: string | undefined;
  out?: string | undefined;
  'dry-run'?: boolean;
}

/** Names of the files that the program which has started this one has opened, from descriptor 3 on (`startAgainAs`). */
const VARIABLE = 'PEMFLEET_OPENED_FILES';
const handed = JSON.parse(process.env[VARIABLE] ?? '[]') as string[];
const opened = new Map(handed.map((file, index): [string, number] => [file, index + 3]));

/** @returns the descriptors. @throws ConfigError `ERR_CONFIG` */
export function openGivenFiles(values: GivenFiles): readonly number[] {
  for (const file of [values['recovery-key'], values['serial-file']]) {
    if (file !== undefined && file !== '-') openGiven(file, constants.O_RDONLY);
  }
  // Empty until there is a key to write into it: a run that ends before leaves it so, and the next one takes it.
  const create = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  if (values.out !== undefined && values['dry-run'] !== true) openGiven(values.out, create);
  process.env[VARIABLE] = JSON.stringify([...opened.keys()]);
  return [...opened.values()];
}

function openGiven(file: string, flags: number): void {
  try {
    opened.set(file, openSync(file, flags, 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError('ERR_CONFIG', `${file}: cannot be opened (${code})`, { cause: error });
  }
}

/** @returns the descriptor of a file that is open already */
export const givenFile = (file: string): number | undefined => opened.get(file);
