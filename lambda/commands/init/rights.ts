/** Commands that write beside pemfleet.yaml. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { messageOf } from '#contract/errors.ts';
import { UsageError } from '../line/options.ts';

/** @throws UsageError with the command line that has the rights */
export function refuseWithoutRights(command: 'init' | 'go-live', configFile: string): void {
  const directory =
    [dirname(configFile), dirname(dirname(configFile)), '/'].find((path) => existsSync(path)) ?? '/';
  try {
    accessSync(directory, constants.W_OK);
  } catch (error) {
    const line = process.argv.slice(2).map(quoted).join(' ');
    throw new UsageError(
      `${command} writes ${configFile}, and this user may not (${messageOf(error)}): sudo pemfleet ${line}; or look first: --dry-run`,
    );
  }
}
