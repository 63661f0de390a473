/** One program of the benchmark in a process of its own, so that its memory is its own: `scale-child.ts ROLE CONTRACT SIZE DIRECTORY`. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { programs } from './scale-programs.ts';
import { CountedBucket, type Traffic } from './scale-stage.ts';

/** What a piece of work took. Memory is the highest of the process until then. */
export interface Cost extends Traffic {
  seconds: number;
  cpuMs: number;
  peakMb: number;
}

const POLLS = 50;
/** The first ones run code that V8 has not compiled yet; so do those of an agent that has just started. */
const [FIRST_CHANGES, LATER_CHANGES] = [10, 10];
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

/** Another process, as the issuer is. Meanwhile, this one is as idle as an agent between two polls. */
async function change(next: number): Promise<void> {
  const file = fileURLToPath(import.meta.url);
  const args = ['--import', 'tsx', file, 'change', contract, size, directory, `${next}`];
  await promisify(execFile)(process.execPath, args);
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
    for (let time = 0; time < FIRST_CHANGES + LATER_CHANGES; time += 1) {
      await change(1000 + time);
      const begin = Date.now();
      const cost = await measured(bucket, 1, poll);
      changed.push({ ...cost, written: bytesSince?.(begin) ?? 0 });
    }
    return {
      'first poll': first,
      poll: unchanged,
      'poll of one change': meanOf(changed.slice(0, FIRST_CHANGES)),
      'later poll of one change': medianOf(changed.slice(FIRST_CHANGES)),
    };
  },
};

function medianOf(costs: readonly Cost[]): Cost {
  const sorted = costs.toSorted((a, b) => a.cpuMs - b.cpuMs);
  return sorted[sorted.length >> 1] as Cost;
}

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
