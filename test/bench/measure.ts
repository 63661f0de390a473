// Runs a program to its end: how long, and how much processor time it and its children took.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Measured {
  status: number | null;
  seconds: number;
  cpuSeconds: number;
  stdout: string;
  stderr: string;
}

/** POSIX `times`: the second line is of the children that have ended. */
const script = `"$@"; code=$?; times >&3; exit $code`;

export async function measure(
  command: readonly string[],
  { env = {}, cwd, deadlineMs = 600_000 }: { env?: Record<string, string>; cwd: string; deadlineMs?: number },
): Promise<Measured> {
  const start = process.hrtime.bigint();
  const child = spawn('sh', ['-c', script, 'sh', ...command], {
    ...{ cwd, env: { ...process.env, ...env }, detached: true },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [stdout, stderr, times] = [1, 2, 3].map((fd) => collect(child.stdio[fd] as NodeJS.ReadableStream));
  const late = new AbortController();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  const overdue = sleep(deadlineMs, undefined, { signal: late.signal }).then(
    () => process.kill(-(child.pid ?? 0), 'SIGKILL'),
    () => undefined,
  );
  const status = await ended;
  late.abort();
  await overdue;
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const text = (read: (() => string) | undefined) => read?.() ?? '';
  return { status, seconds, cpuSeconds: cpuOf(text(times)), stdout: text(stdout), stderr: text(stderr) };
}

function cpuOf(times: string): number {
  const ofChildren = times.trim().split('\n')[1] ?? '';
  const each = [...ofChildren.matchAll(/(\d+)m([\d.,]+)s/g)];
  return each.reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest?.replace(',', '.')),
    0,
  );
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
