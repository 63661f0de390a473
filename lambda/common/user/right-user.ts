/**
 * The right user, whoever types a command: started as root, it goes on as the owner of its directory before anything is opened there, so that
 * nothing is left that the service cannot use. Another user is refused, and told what to type.
 */
import { constants } from 'node:fs';
import { access, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import { type Account, accountNamed, accountOf, userName } from './accounts.ts';
import { become, startAgainAs } from './become.ts';
import { decideUser } from './decide.ts';
import type { IsOwnName } from './own-directory.ts';
import { foreignEntries } from './owned-tree.ts';
import { WrongUser } from './wrong-user.ts';

/** The user of the units. */
const SERVICE_USER = 'pemfleet';

export interface OwnedPlace {
  /** Directory whose owner is the right user. */
  path: string;
  /** Whether the command writes there: then nothing in it may belong to anybody else. */
  isWritten: boolean;
  /** Entries at its top that are pemfleet's: what else is there, no command uses. */
  isOwn: IsOwnName;
  /** Of a directory that is made now; default: nobody else may look into it. */
  mode?: number;
  /** Groups that the unit gives its user, such as that of HAProxy's socket. */
  groups?: readonly number[];
  /** Another directory: who may use it has work to do, whatever the first one allows. */
  orUses?: string;
}

export interface RightUserOptions {
  /** `pemfleet`, `pemfleet-agent`. */
  program: string;
  /** The command line, without the program. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  /** Opens what the command line names: it is the typing user's. Called before root is given up; answers the descriptors. */
  beforehand?: () => readonly number[];
  /** Root stays to do this when the command has ended, whatever its end. */
  afterwards?: (() => void) | undefined;
}

/** @throws WrongUser */
export async function continueAsRightUser(place: OwnedPlace, options: RightUserOptions): Promise<void> {
  const uid = process.getuid?.();
  if (uid === 0 && isUnitOfSystemd(process.ppid, options.env)) return;
  const owner = await ownerOfDirectory(place.path);
  const service = uid === 0 && owner === undefined ? accountNamed(SERVICE_USER) : undefined;
  const mayUse = uid === 0 || (await mayUseAny(place));
  switch (decideUser({ uid, owner: owner?.uid, service, mayUse })) {
    case 'stay':
      return;
    case 'refuse':
      throw refused(place, uid ?? -1, options, await nearestDirectory(place.path));
    case 'become-service':
      if (service !== undefined) await continueAs(service, place, options, true);
      return;
    case 'become-owner':
      if (owner !== undefined) await continueAs(owner, place, options, false);
  }
}

/** systemd itself has started it: the unit says which user is right, and only a person's command line is put right. */
export function isUnitOfSystemd(parent: number, env: NodeJS.ProcessEnv): boolean {
  return parent === 1 && env['INVOCATION_ID'] !== undefined;
}

/** Root goes on as `account`. */
export async function continueAs(
  account: Account,
  place: OwnedPlace,
  { program, args, env, say, beforehand, afterwards }: RightUserOptions,
  isNew: boolean,
): Promise<void> {
  const who = account.name ?? `uid ${account.uid}`;
  if (isNew && place.isWritten) await makeDirectory(place, account);
  if (!isNew && place.isWritten) await refuseForeign(place, account, program);
  const files = beforehand?.() ?? [];
  const why = isNew ? 'the user of the units' : `the owner of ${place.path}`;
  const hasBecome = afterwards === undefined && become(account, place.groups ?? [], env);
  say(`${program}: started as root, goes on as ${who}, ${why}\n`);
  if (hasBecome) return;
  // What root alone does, it has done.
  const isFix = args.includes('--fix');
  const rest = args.filter((word) => !(isFix && ['--fix', '--dry-run'].includes(word)));
  let status: number;
  try {
    status = startAgainAs(account, place.groups ?? [], { args: rest, env, files });
  } catch (error) {
    // Without setpriv(1), as in the container image, Node changes the user, and nobody is left who could clear up.
    if (afterwards !== undefined && become(account, place.groups ?? [], env)) return;
    afterwards?.();
    throw error;
  }
  afterwards?.();
  process.exit(status);
}

/** A pass of the service would stop at the first of them. */
async function refuseForeign({ path, isOwn }: OwnedPlace, account: Account, program: string): Promise<void> {
  const { first, count } = await foreignEntries(path, account.uid, isOwn);
  const [one] = first;
  if (one === undefined) return;
  const [owner, other] = [account.name ?? `uid ${account.uid}`, userName(one.stats.uid)];
  const more = count > 1 ? ` and ${count - 1} more` : '';
  throw new WrongUser(
    `${path} belongs to ${owner}, but ${one.path}${more} in it to ${other}: ${program} doctor --fix gives it back, and names each file`,
  );
}

function refused(
  { path }: OwnedPlace,
  uid: number,
  { program, args }: RightUserOptions,
  nearest: { path: string; uid: number },
): WrongUser {
  const owner = userName(nearest.uid);
  // Where the service itself is shut out, no command line of its own helps.
  const words = uid === accountNamed(SERVICE_USER)?.uid ? ['doctor', '--fix'] : args;
  const line = ['sudo', program, ...words].map(quoted).join(' ');
  const what = nearest.path === path ? path : `${nearest.path}, on the way to ${path},`;
  return new WrongUser(`${what} belongs to ${owner}, and this is ${userName(uid)}: ${line}`);
}

/**
 * Who should own a directory: the user of the unit that works there, else its owner, else the user of the units.
 * @param unitUser `User=` of that unit, if systemd has it; empty: root
 */
export async function rightOwner(path: string, unitUser: string | undefined): Promise<Account | undefined> {
  if (unitUser === '') return accountOf(0, 0);
  const named = unitUser === undefined ? undefined : accountNamed(unitUser);
  return named ?? (await ownerOfDirectory(path)) ?? accountNamed(SERVICE_USER);
}

async function ownerOfDirectory(path: string): Promise<Account | undefined> {
  try {
    const { uid, gid } = await stat(path);
    return accountOf(uid, gid);
  } catch (error) {
    // What this user cannot reach is not missing; `mayUsePlace` says so.
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

async function mayUseAny({ path, isWritten, orUses }: OwnedPlace): Promise<boolean> {
  if (await mayUsePlace(path, isWritten)) return true;
  return orUses !== undefined && (await mayUsePlace(orUses, isWritten));
}

/** Other failures than that of a right have their own messages, where they happen. */
async function mayUsePlace(path: string, isWritten: boolean): Promise<boolean> {
  const code = await accessCode(path, isWritten);
  if (code !== 'ENOENT') return code !== 'EACCES';
  // A reader of what does not exist finds nothing; a writer makes it, if it may.
  return !isWritten || (await accessCode((await nearestDirectory(path)).path, true)) !== 'EACCES';
}

const accessCode = (path: string, isWritten: boolean): Promise<string | undefined> =>
  access(path, constants.R_OK | constants.X_OK | (isWritten ? constants.W_OK : 0)).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );

/** The directory itself, or the nearest one around it that this user can see. */
async function nearestDirectory(path: string): Promise<{ path: string; uid: number }> {
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined || dirname(path) === path) return { path, uid: stats?.uid ?? 0 };
  return nearestDirectory(dirname(path));
}

/** With the directories around it that are missing, through which others may go; each belongs to `account`. */
async function makeDirectory({ path, mode = 0o700 }: OwnedPlace, account: Account): Promise<void> {
  const missing: string[] = [];
  for (let at = path; (await ownerOfDirectory(at)) === undefined; at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    await mkdir(directory, { mode: 0o700 });
    // By its descriptor: nothing that takes its place meanwhile is given away.
    const handle = await open(directory, constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      await handle.chmod(directory === path ? mode : 0o711);
      await handle.chown(account.uid, account.gid);
    } finally {
      await handle.close();
    }
  }
}
