/** What starts the old client on this machine: timers of systemd, lines of cron. Reads only. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readClientFile, sortedNamesIn } from './client-files.ts';
import type { OldClient } from './lineage.ts';

export interface OldSchedules {
  /** Enabled timers. */
  timers: readonly string[];
  /** Lines that start it, each with its file. */
  cronLines: readonly CronLine[];
  /** Scripts of run-parts that start it: people decide about them. */
  scripts: readonly string[];
}

export interface CronLine {
  file: string;
  /** From 0. */
  index: number;
  line: string;
}

const UNIT_DIRECTORIES = [
  'etc/systemd/system',
  'run/systemd/system',
  'usr/lib/systemd/system',
  'lib/systemd/system',
];
const CRON_DIRECTORIES = ['etc/cron.d', 'var/spool/cron/crontabs', 'var/spool/cron'];
const SCRIPT_DIRECTORIES = ['etc/cron.daily', 'etc/cron.weekly', 'etc/cron.hourly', 'etc/periodic/daily'];

const STARTS: Readonly<Record<OldClient, RegExp>> = {
  certbot: /\b(certbot|letsencrypt(-auto)?)\b.*\brenew\b|\bcertbot-renew\b/,
  'acme.sh': /\bacme\.sh\b.*\s--cron\b/,
};

/** Debian's line does nothing where systemd runs: its timer does the work. */
const WITHOUT_SYSTEMD = /!\s+-d\s+\/run\/systemd\/system/;

/** @param root of the file system; default: this one */
export async function findSchedules(client: OldClient, root = '/'): Promise<OldSchedules> {
  const starts = STARTS[client];
  return {
    timers: await enabledTimers(starts, root),
    cronLines: await cronLinesOf(starts, root),
    scripts: await scriptsOf(starts, root),
  };
}

async function enabledTimers(starts: RegExp, root: string): Promise<string[]> {
  const wants = join(root, 'etc/systemd/system/timers.target.wants');
  const timers: string[] = [];
  for (const timer of sortedNamesIn(wants).filter((name) => name.endsWith('.timer'))) {
    const service = timer.replace(/\.timer$/, '.service');
    const files = UNIT_DIRECTORIES.flatMap((directory) => [
      join(root, directory, service),
      ...dropInsOf(join(root, directory, `${service}.d`)),
    ]);
    const texts = await Promise.all(files.map(readClientFile));
    const commands = texts.flatMap((text) => text?.match(/^\s*ExecStart\s*=.*$/gm) ?? []);
    if (commands.some((command) => starts.test(command))) timers.push(timer);
  }
  return timers;
}

const dropInsOf = (directory: string): string[] =>
  existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];

async function cronLinesOf(starts: RegExp, root: string): Promise<CronLine[]> {
  const isBooted = existsSync(join(root, 'run/systemd/system'));
  const files = CRON_DIRECTORIES.flatMap((directory) =>
    sortedNamesIn(join(root, directory)).map((name) => join(root, directory, name)),
  );
  const lines: CronLine[] = [];
  for (const file of [join(root, 'etc/crontab'), ...files]) {
    const text = await readClientFile(file).catch(ignoreDirectory);
    for (const [index, line] of (text ?? '').split('\n').entries()) {
      if (line.trimStart().startsWith('#') || !starts.test(line)) continue;
      if (!(isBooted && WITHOUT_SYSTEMD.test(line))) lines.push({ file, index, line });
    }
  }
  return lines;
}

async function scriptsOf(starts: RegExp, root: string): Promise<string[]> {
  const files = SCRIPT_DIRECTORIES.flatMap((directory) =>
    sortedNamesIn(join(root, directory)).map((name) => join(root, directory, name)),
  );
  const texts = await Promise.all(files.map((file) => readClientFile(file).catch(ignoreDirectory)));
  return files.filter((_, index) => starts.test(texts[index] ?? ''));
}

/** `crontabs` is one in /var/spool/cron. */
function ignoreDirectory(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'EISDIR') throw error;
}

/** The line stays readable for whoever wonders where it is. */
export const DISABLED = '# disabled by "pemfleet adopt", --undo puts it back: ';

export function withoutLines(text: string, lines: readonly CronLine[]): string {
  const indexes = new Set(lines.map(({ index }) => index));
  return text
    .split('\n')
    .map((line, index) => (indexes.has(index) ? `${DISABLED}${line}` : line))
    .join('\n');
}
