/** One program of the benchmark in a process of its own, so that its memory is its own: `scale-child.ts ROLE CONTRACT SIZE DIRECTORY`. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { programs } from './scale-programs.ts';
import { CountedBucket, type Traffic } from './scale-stage.ts';

/** What a piece of work took. Memory is the highest of the process until then. */
export interface Cost extends Traffic {
  seconds: number;
  cpuMs: number;
  peakMb: number;
}

const [POLLS, CHANGES] = [50, 10];
/** Renewals of half an hour, if 50,000 certificates live for 90 days and are renewed at 60. */
const RENEWALS = 17;

async function measured(bucket: CountedBucket, times: number, work: () => Promise<unknown>): Promise<Cost> {
  bucket.traffic = { gets: 0, puts: 0, published: 0, read: 0, written: 0 };
  const [cpu, begin] = [process.cpuUsage(), performance.now()];
  for (let time = 0; time < times; time += 1) await work();
  const { user, system } = process.cpuUsage(cpu);
  const { gets, puts, published, read, written } = bucket.traffic;
  const each = (value: number) => value / times;
  return {
    ...{
      gets: each(gets),
      puts: each(puts),
      published: each(published),
      read: each(read),
      written: each(written),
    },
    ...{ seconds: each((performance.now() - begin) / 1000), cpuMs: each((user + system) / 1000) },
    peakMb: process.resourceUsage().maxRSS / 1000,
  };
}

const [role = '', contract = '', size = '', directory = '', version = '2'] = process.argv.slice(2);
const { publishAll, publish, survey, host } = programs[contract === '1' ? 1 : 2];
const bucket = new CountedBucket(directory);
const indexesOf = (changes: number) =>
  Array.from({ length: changes }, (_, index) => (Number(version) * 37 + index * 101) % Number(size));

/** Another process, as the issuer is. */
function change(next: number): void {
  const file = fileURLToPath(import.meta.url);
  execFileSync(process.execPath, ['--import', 'tsx', file, 'change', contract, size, directory, `${next}`]);
}

const roles: Readonly<Record<string, () => Promise<Record<string, Cost>>>> = {
  'publish-all': async () => {
    await bucket.putPem(0, 1);
    return { 'publish all': await measured(bucket, 1, () => publishAll(bucket, Number(size))) };
  },
  change: async () => ({
    'publish one': await measured(bucket, 1, () => publish(bucket, indexesOf(1), Number(version))),
  }),
  'change-many': async () => ({
    [`publish ${RENEWALS}`]: await measured(bucket, 1, () =>
      publish(bucket, indexesOf(RENEWALS), Number(version)),
    ),
  }),
  survey: async () => ({ 'idle pass': await measured(bucket, 1, () => survey(bucket)) }),
  host: async () => {
    const { poll, bytesSince } = host(bucket);
    const first = await measured(bucket, 1, poll);
    const unchanged = await measured(bucket, POLLS, poll);
    const changed: Cost[] = [];
    for (let time = 0; time < CHANGES; time += 1) {
      change(1000 + time);
      const begin = Date.now();
      const cost = await measured(bucket, 1, poll);
      changed.push({ ...cost, written: bytesSince?.(begin) ?? 0 });
    }
    return { 'first poll': first, poll: unchanged, 'poll of one change': meanOf(changed) };
  },
};

function meanOf(costs: readonly Cost[]): Cost {
  const mean = (of: keyof Cost) => costs.reduce((sum, cost) => sum + cost[of], 0) / costs.length;
  const [gets, puts, read, written] = [mean('gets'), mean('puts'), mean('read'), mean('written')];
  const peakMb = Math.max(...costs.map((cost) => cost.peakMb));
  return {
    gets,
    puts,
    published: mean('published'),
    read,
    written,
    seconds: mean('seconds'),
    cpuMs: mean('cpuMs'),
    peakMb,
  };
}

const costs = await roles[role]?.();
process.stdout.write(`${JSON.stringify(costs)}\n`);
