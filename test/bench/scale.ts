/**
 * `npm run bench -- scale`: what a poll and a publication cost as the number of certificates grows, in both versions of the contract, and
 * what that comes to in a month. Issuer and hosts are processes of their own on one directory; a request costs no network.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchOptions, BenchRow } from './main.ts';
import { PRICES } from './prices.ts';
import type { Cost } from './scale-child.ts';

const SIZES = [100, 10_000, 50_000];
const HOSTS = 3_000;
/** A pass each half hour publishes what was renewed in one commit: of 833 a day, 17. Hosts poll each minute. */
const [PASSES, POLLS] = [30 * 48, 30 * 24 * 60];

type Costs = Record<string, Cost>;

export async function scale(_options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const contract of ['1', '2']) {
    for (const size of SIZES) {
      const column = `version ${contract}: ${size.toLocaleString('en-US')}`;
      const costs = measureSize(contract, size);
      rows.push(...rowsOf(column, costs));
      say(`${column}: done`);
    }
  }
  return rows;
}

function measureSize(contract: string, size: number): Costs {
  const directory = mkdtempSync(join(tmpdir(), 'pf-scale-'));
  const child = fileURLToPath(new URL('scale-child.ts', import.meta.url));
  try {
    const run = (...[role, ...rest]: [role: string, ...rest: string[]]): Costs => {
      const args = ['--import', 'tsx', child, role, contract, `${size}`, directory, ...rest];
      return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Costs;
    };
    const all = run('publish-all');
    const idle = run('survey');
    const one = run('change', '10');
    const many = run('change-many', '20');
    return { ...all, ...idle, ...one, ...many, ...run('host') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const round = (value: number) => (value < 10 ? Math.round(value * 100) / 100 : Math.round(value));

function rowsOf(column: string, costs: Costs): BenchRow[] {
  const row = (subject: string, value: number | undefined, unit: string): BenchRow => ({
    ...{ subject, measure: column, value: round(value ?? Number.NaN), unit },
  });
  const {
    poll,
    'poll of one change': changed,
    'later poll of one change': later,
    'first poll': first,
  } = costs;
  const { 'idle pass': idle, 'publish one': one, 'publish 17': many } = costs;
  return [
    row('poll without a change: read', poll?.read, 'B'),
    row('poll without a change: CPU', poll?.cpuMs, 'ms'),
    row('poll of one change: read', (changed?.read ?? 0) / 1000, 'kB'),
    row('poll of one change: requests', changed?.gets, ''),
    row('poll of one change: CPU, mean of the first ten', changed?.cpuMs, 'ms'),
    row('poll of one change: CPU, median of the next ten', later?.cpuMs, 'ms'),
    row('poll of one change: written by the host', (changed?.written ?? 0) / 1000, 'kB'),
    row('first poll: read', (first?.read ?? 0) / 1e6, 'MB'),
    row('first poll: requests', first?.gets, ''),
    row('memory of the host', later?.peakMb, 'MB'),
    row('publication of one: PUTs', one?.puts, ''),
    row('publication of one: written', (one?.written ?? 0) / 1000, 'kB'),
    row('publication of one: time', one?.seconds, 's'),
    row('publication of 17: PUTs', many?.puts, ''),
    row('idle pass: requests', idle?.gets, ''),
    row('idle pass: time', idle?.seconds, 's'),
    row('memory of the issuer', Math.max(idle?.peakMb ?? 0, one?.peakMb ?? 0), 'MB'),
    ...monthOf(column, costs),
  ];
}

function monthOf(column: string, { poll, 'publish 17': many }: Costs): BenchRow[] {
  if (poll === undefined || many === undefined) return [];
  // A host reads what a commit wrote: the root, the shards on the paths to the changes, and the PEMs.
  const gets = HOSTS * (POLLS * poll.gets + PASSES * many.published);
  const bytes = HOSTS * (PASSES * many.written);
  const puts = PASSES * many.puts;
  const dollars = gets * PRICES.s3Get + puts * PRICES.s3Put;
  const row = (subject: string, value: number, unit: string): BenchRow => ({
    ...{ subject, measure: column, value: round(value), unit },
  });
  return [
    row('a month: requests', (gets + puts) / 1e6, 'million'),
    row('a month: read', bytes / 1e12, 'TB'),
    row('a month: requests cost', dollars, '$'),
  ];
}
