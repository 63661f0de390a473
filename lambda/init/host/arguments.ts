/** HAProxy's command line: which files it reads, and where. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export interface HaproxyArguments {
  /** `-f`, files and directories. */
  configs: readonly string[];
  /** What `haproxy -c` must get, too: `-L`, `-C`, and `-dr` and its kin. */
  others: readonly string[];
  /** `-W`, `-Ws`: a master that reloads. */
  hasMaster: boolean;
}

const WITH_VALUE: ReadonlySet<string> = new Set(['-f', '-L', '-C', '-p', '-n', '-N', '-m', '-S', '-x']);

/** @param args without the program */
export function parseHaproxyArguments(args: readonly string[]): HaproxyArguments {
  const configs: string[] = [];
  const others: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? '';
    if (word === '--') {
      configs.push(...args.slice(index + 1).filter((one) => !one.startsWith('-')));
      break;
    }
    const value = WITH_VALUE.has(word) ? (args[++index] ?? '') : undefined;
    if (word === '-f' && value) configs.push(value);
    // `-f` takes several files in a row.
    while (word === '-f' && index + 1 < args.length && !args[index + 1]?.startsWith('-')) {
      configs.push(args[++index] ?? '');
    }
    if ((word === '-L' || word === '-C') && value) others.push(word, value);
    if (/^-d[rRM]/.test(word)) others.push(word);
  }
  return { configs, others, hasMaster: args.some((word) => /^-W[s]?$/.test(word)) };
}

/**
 * As HAProxy does: of a directory the files that end with .cfg, in their order; dot-files are none.
 * @throws with the codes of stat(2) and readdir(3)
 */
export function expandConfigs(configs: readonly string[], directory: string): string[] {
  return configs.flatMap((given) => {
    const path = resolve(directory, given);
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => name.endsWith('.cfg') && !name.startsWith('.'));
    return names.sort().map((name) => join(path, name));
  });
}
