/** Commands that write beside pemfleet.yaml. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { ConfigError } from '#common/config-error.ts';
import { type Account, accountNamed, accountOf } from '#common/user/accounts.ts';
import { WrongUser } from '#common/user/wrong-user.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { printJson, printToStderr } from '../command.ts';
import type { CommandValues } from '../line/options.ts';
import { EXIT } from '../output.ts';

/** @throws WrongUser with the command line that has the rights */
export function refuseWithoutRights(command: 'init' | 'go-live' | 'adopt', configFile: string): void {
  const directory =
    [dirname(configFile), dirname(dirname(configFile)), '/'].find((path) => existsSync(path)) ?? '/';
  try {
    accessSync(directory, constants.W_OK);
  } catch (error) {
    if (codeOf(error) === 'EROFS') {
      throw new ConfigError(
        'ERR_CONFIG',
        `${command} writes ${configFile}, and ${directory} is on a file system that is read-only: mount it read-write`,
      );
    }
    throw new WrongUser(
      `${command} writes ${configFile}, and this user may not (${messageOf(error)}): ${asRootLine()}`,
    );
  }
}

/** A right that is missing halfway: nothing of the run is left. */
export function withCommandLine(command: 'init' | 'adopt', error: unknown): unknown {
  const isRight = ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
  if (!isRight || process.getuid?.() === 0) return error;
  return new WrongUser(
    `${command} needs rights that this user lacks (${messageOf(error)}): ${asRootLine()}`,
    {
      cause: error,
    },
  );
}

const asRootLine = () => ['sudo', 'pemfleet', ...process.argv.slice(2)].map(quoted).join(' ');

/** Who owns what the services write. @throws Unplannable for root on a machine without the packages */
export function serviceUser(uid: number): Account {
  const user = accountNamed('pemfleet');
  if (user !== undefined) return user;
  if (uid !== 0) return accountOf(uid, process.getgid?.() ?? uid);
  throw new Unplannable(
    'wanted the system user pemfleet, which the packages make, saw none: useradd --system --home-dir /var/lib/pemfleet --shell /usr/sbin/nologin pemfleet',
  );
}

/** What says in its own words what is to be done. @returns the exit status */
export function reportFailed({ json }: CommandValues, { message }: Error): number {
  if (json) printJson({ version: 1, result: 'failed', error: { message } });
  printToStderr(`${message}\n`);
  return EXIT.failed;
}
