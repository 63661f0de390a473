// `npm run bench -- poll`: what a host pays for looking, with nothing new to find: processor time, bytes, memory.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RUNTIMES, unpackPinned } from '../../cdk/release/runtime.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { type IdleHost, measureResident, startIdleHost } from '../install/idle.ts';
import { fleet } from '../support/agent/host.ts';
import { footprintOf } from '../support/footprint.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import type { BenchOptions, BenchRow } from './main.ts';
import { measure } from './measure.ts';
import { fetchPeer } from './peers.mjs';
import { arch, root, unpackAgent } from './program.ts';

const POLLS = 20;
const RUNS = 10;

/** What stands in a row, by its column. */
type Cells = readonly (readonly [measure: string, value: number, unit: string])[];
type Subject = (host: Host, say: (line: string) => void) => Promise<{ cells: Cells; note?: string }>;

interface Host extends IdleHost {
  program: string;
}

const subjects: Readonly<Record<string, Subject>> = {
  'pemfleet-agent run': resident,
  'an empty Node process': empty,
  'pemfleet-agent sync, a process each': (host) => once([host.program, 'sync', ...host.flags], host),
  'aws s3 sync, a process each': awsSync,
};

export async function poll(options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const idle = await startIdleHost();
  try {
    const host = { ...idle, program: await unpackAgent(idle.dir) };
    for (const [subject, measured] of Object.entries(subjects)) {
      if (!options.only.every((word) => subject.includes(word))) continue;
      const { cells, note = packageJson.version } = await measured(host, say);
      rows.push(
        ...cells.map(([of, value, unit]) => ({ subject, measure: of, value: round(value), unit, note })),
      );
      say(`${subject}: done`);
    }
  } finally {
    await idle.stop();
  }
  return rows;
}

const round = (value: number) => Math.round(value * 10) / 10;

async function resident(host: Host): ReturnType<Subject> {
  const idle = await measureResident(host, host.program, POLLS);
  if (idle.requests !== idle.polls) throw new Error(`${idle.requests} requests in ${idle.polls} polls`);
  return {
    cells: [
      ['CPU a poll', idle.cpuMs / idle.polls, 'ms'],
      ['requests a poll', idle.requests / idle.polls, ''],
      ['bytes a poll', idle.bytes / idle.polls, 'B'],
      ...memory(idle.residentKb, idle.privateDirtyKb),
    ],
  };
}

const memory = (residentKb: number, privateDirtyKb: number): Cells => [
  ['resident', residentKb / 1_000, 'MB'],
  ['private dirty', privateDirtyKb / 1_000, 'MB'],
];

/** The agent's own runtime with nothing in it: what no program on Node can go below. */
async function empty(): ReturnType<Subject> {
  const name = RUNTIMES[arch];
  const folder = await unpackPinned(name, join(root, '.parts/agent-runtime'), makeTempDir().path);
  const node = join(folder, 'bin/node');
  const child = spawn(node, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  try {
    await sleep(2_000);
    const { residentKb, privateDirtyKb } = footprintOf(child.pid ?? 0);
    return { cells: memory(residentKb, privateDirtyKb), note: name };
  } finally {
    child.kill('SIGKILL');
  }
}

/** A program that looks and ends. The first time there is something to do, and it does not count. */
async function once(command: readonly string[], host: IdleHost, more = {}): Promise<{ cells: Cells }> {
  const options = { cwd: host.dir, env: { ...host.env, ...more } };
  const look = async () => {
    const { status, stderr, cpuSeconds } = await measure(command, options);
    if (status !== 0) throw new Error(`${command[0]} ended with ${status}: ${stderr}`);
    return cpuSeconds * 1_000;
  };
  await look();
  const before = host.traffic();
  let cpuMs = 0;
  for (let index = 0; index < RUNS; index += 1) cpuMs += await look();
  const after = host.traffic();
  const peak = await peakOf(command, options);
  return {
    cells: [
      ['CPU a poll', cpuMs / RUNS, 'ms'],
      ['requests a poll', (after.requests - before.requests) / RUNS, ''],
      ['bytes a poll', (after.bytes - before.bytes) / RUNS, 'B'],
      ...memory(peak.residentKb, peak.privateDirtyKb),
    ],
  };
}

/** The most that was seen while it ran. */
async function peakOf([name = '', ...args]: readonly string[], options: { cwd: string; env: object }) {
  const env = { ...process.env, ...options.env };
  const child = spawn(name, args, { cwd: options.cwd, env, stdio: 'ignore' });
  const peak = { residentKb: 0, privateDirtyKb: 0 };
  while (child.exitCode === null) {
    const { residentKb, privateDirtyKb } = seen(child.pid ?? 0);
    peak.residentKb = Math.max(peak.residentKb, residentKb);
    peak.privateDirtyKb = Math.max(peak.privateDirtyKb, privateDirtyKb);
    await sleep(2);
  }
  return peak;
}

function seen(pid: number) {
  try {
    return footprintOf(pid);
  } catch (error) {
    // it has just ended
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return { residentKb: 0, privateDirtyKb: 0 };
    }
    throw error;
  }
}

async function awsSync(host: IdleHost, say: (line: string) => void): ReturnType<Subject> {
  const { command, version } = await fetchPeer('awscli', say);
  const target = join(host.dir, 'synced');
  mkdirSync(target, { recursive: true });
  // It lists: a right that hosts of pemfleet do not have.
  const principal = host.aws.principal({ name: 'syncing', policies: 'everything' });
  const env = { ...principal.env, AWS_ENDPOINT_URL: host.env['AWS_ENDPOINT_URL'] };
  const words = ['s3', 'sync', `s3://certs/published/${fleet}`, target, '--only-show-errors'];
  return { ...(await once([...command, ...words], host, env)), note: version };
}
