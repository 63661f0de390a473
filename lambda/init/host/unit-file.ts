/** How systemd would start HAProxy, read from its unit: for a HAProxy that does not run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HaproxyArguments, parseHaproxyArguments } from './arguments.ts';
import { environmentOf } from './processes.ts';

const DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

export interface HaproxyUnit {
  program: string;
  args: HaproxyArguments;
  env: Readonly<Record<string, string>>;
}

/** @param name `haproxy.service`; drop-ins come after it */
export function readHaproxyUnit(name = 'haproxy.service'): HaproxyUnit | undefined {
  const file = DIRECTORIES.map((directory) => join(directory, name)).find(existsSync);
  if (file === undefined) return undefined;
  const dropIns = DIRECTORIES.map((directory) => join(directory, `${name}.d`)).filter(existsSync);
  const files = dropIns.flatMap((directory) =>
    readdirSync(directory)
      .filter((one) => one.endsWith('.conf'))
      .sort()
      .map((one) => join(directory, one)),
  );
  return parseHaproxyUnit([file, ...files].map((one) => readText(one)).join('\n'), readText);
}

/** @param readFile of an EnvironmentFile; empty where there is none */
function parseHaproxyUnit(text: string, readFile: (path: string) => string): HaproxyUnit | undefined {
  const settings = [...text.replaceAll('\\\n', ' ').matchAll(/^\s*(\w+)\s*=(.*)$/gm)];
  const valuesOf = (key: string) =>
    settings.filter(([, name]) => name === key).map(([, , value = '']) => value.trim());
  const assigned = valuesOf('Environment').flatMap(splitWords);
  const files = valuesOf('EnvironmentFile').map((path) => path.replace(/^-/, ''));
  const read = files.flatMap((path) => readFile(path).split('\n').map(unquoted));
  const env = environmentOf([...assigned, ...read]);
  const [program = '', ...words] = splitWords(
    valuesOf('ExecStart')
      .findLast(Boolean)
      ?.replace(/^[-@:+!]+/, '') ?? '',
  );
  const args = words.flatMap((word) => expandWord(word, env));
  return program === '' ? undefined : { program, env, args: parseHaproxyArguments(args) };
}

const unquoted = (line: string) => line.trim().replace(/^(\w+)=(["'])(.*)\2$/, '$1=$3');

/** `$NAME` alone becomes words, `${NAME}` a part of one (systemd.service(5)). */
function expandWord(word: string, env: Readonly<Record<string, string>>): string[] {
  const alone = /^\$(\w+)$/.exec(word)?.[1];
  if (alone !== undefined) return splitWords(env[alone] ?? '');
  return [word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? '')];
}

const splitWords = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
