/** Finds the HAProxy of this machine: the one that runs, else the one that its unit would start, else the usual file. */
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PROGRAM_PATH } from '#common/program/path.ts';
import { messageOf } from '#contract/errors.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import { configurationOf, type HaproxyConfiguration, Unplannable } from '../plan/haproxy-config.ts';
import { expandConfigs, type HaproxyArguments } from './arguments.ts';
import { findHaproxyProcesses, type HaproxyProcess } from './processes.ts';
import { readHaproxyUnit } from './unit-file.ts';

const USUAL_FILES = ['/etc/haproxy/haproxy.cfg', '/usr/local/etc/haproxy/haproxy.cfg'];
const MAX_CONFIG_BYTES = 50_000_000;

export interface Installation {
  /** undefined: not installed. */
  program: string | undefined;
  process: HaproxyProcess | undefined;
  args: HaproxyArguments;
  directory: string;
  env: Readonly<Record<string, string>>;
  /** In the order in which HAProxy reads them. */
  files: readonly string[];
}

export interface Search {
  /** `--haproxy-config`, file or directory. */
  configFile: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  uid: number;
}

/** @throws Unplannable where it is not clear which one is meant, or nothing is there */
export function findInstallation(search: Search): Installation {
  const running = chooseProcess(findHaproxyProcesses(search.uid), search.configFile);
  const unit = running === undefined ? readHaproxyUnit() : undefined;
  const args = running?.args ?? unit?.args ?? { configs: [], others: [], hasMaster: true };
  const directory = running?.directory ?? '/';
  const isOther = search.configFile !== undefined && running === undefined;
  const configs = isOther ? [resolve(search.configFile ?? '')] : configsOf(args, directory);
  return {
    program: running?.program ?? programOf(unit?.program, search.env),
    process: running,
    args: isOther ? { configs, others: [], hasMaster: true } : { ...args, configs },
    directory,
    env: running?.env ?? unit?.env ?? {},
    files: safeFiles(filesOf(configs, directory), search.uid, running?.uid ?? 0),
  };
}

/**
 * root writes into no directory, and takes no configuration, that the user of a service can change under its hands.
 * @throws Unplannable
 */
function safeFiles(files: readonly string[], ownUid: number, haproxyUid: number): readonly string[] {
  if (ownUid !== 0 || haproxyUid === 0) return files;
  const open = files.flatMap((file) => [file, dirname(file)]).find((path) => !isOfRoot(path));
  if (open === undefined) return files;
  throw new Unplannable(
    `wanted HAProxy's configuration, saw ${open}, which others than root can change, and a HAProxy of user ${haproxyUid}: run this as that user, or give it to root (chown root, chmod go-w)`,
  );
}

function isOfRoot(path: string): boolean {
  const { uid, mode } = statSync(path);
  return uid === 0 && (mode & 0o022) === 0;
}

function chooseProcess(all: readonly HaproxyProcess[], file: string | undefined): HaproxyProcess | undefined {
  if (file !== undefined) {
    const wanted = resolve(file);
    const rootFirst = [...all].sort((a, b) => Math.min(a.uid, 1) - Math.min(b.uid, 1));
    return rootFirst.find(({ args, directory, isElsewhere }) => {
      const configs = args.configs.map((one) => resolve(directory, one));
      return !isElsewhere && (configs.includes(wanted) || configs.includes(dirname(wanted)));
    });
  }
  const inside = all.filter(({ isElsewhere }) => !isElsewhere);
  const [first, second] = inside;
  if (first !== undefined && second === undefined) return first;
  const seen = all
    .map(({ pid, args }) => `${pid} (${args.configs.map((one) => `-f ${one}`).join(' ')})`)
    .join(', ');
  if (first === undefined && all.length === 0) return undefined;
  const what = first === undefined ? 'HAProxy in a container' : 'several HAProxy';
  throw new Unplannable(
    `wanted one HAProxy of this machine, saw ${what}: ${seen}; name its file: --haproxy-config FILE${first === undefined ? ', as this machine has it' : ''}`,
  );
}

function configsOf({ configs }: HaproxyArguments, directory: string): string[] {
  const named = configs.filter((one) => existsSync(resolve(directory, one)));
  if (named.length > 0) return [...named];
  const usual = USUAL_FILES.find((file) => existsSync(file));
  if (usual !== undefined) return [usual];
  throw new Unplannable(
    `wanted HAProxy's configuration, saw neither a HAProxy that runs, nor its unit, nor ${USUAL_FILES[0]}: install HAProxy (apt-get install haproxy, dnf install haproxy), or name the file: --haproxy-config FILE`,
  );
}

function programOf(ofUnit: string | undefined, env: Search['env']): string | undefined {
  if (ofUnit !== undefined && existsSync(ofUnit)) return ofUnit;
  const directories = [...(env['PATH']?.split(':') ?? []), ...PROGRAM_PATH.split(':')].filter((one) =>
    one.startsWith('/'),
  );
  return directories.map((one) => join(one, 'haproxy')).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** @throws Unplannable */
function filesOf(configs: readonly string[], directory: string): string[] {
  try {
    // A link stays: its file is the one that changes.
    const files = expandConfigs(configs, directory).map((file) => realpathSync(file));
    if (files.length > 0) return files;
  } catch (error) {
    throw new Unplannable(`wanted HAProxy's configuration, saw ${messageOf(error)}: --haproxy-config FILE`);
  }
  throw new Unplannable(`wanted files that end with .cfg in ${configs.join(', ')}, saw none`);
}

/** @throws Unplannable with the file that this user may not read */
export async function readConfiguration({ files, env }: Installation): Promise<HaproxyConfiguration> {
  const texts = await Promise.all(
    files.map(async (file) => {
      const body = await readRegularFile(file, MAX_CONFIG_BYTES).catch((error: unknown) => {
        throw new Unplannable(`wanted to read ${file}, saw ${messageOf(error)}: run this as root (sudo)`);
      });
      const encoding = Buffer.from(body.toString('utf8')).equals(body) ? 'utf8' : 'latin1';
      return { file, text: body.toString(encoding), encoding } as const;
    }),
  );
  return configurationOf(texts, env);
}
