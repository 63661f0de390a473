/** Reloads HAProxy once, and waits until a new worker answers. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HaproxyProcess, workersUnder } from '../host/processes.ts';
import { runToEnd } from './run-to-end.ts';

const LEAST_WAIT_MS = 20_000;
const POLL_MS = 50;
const STAYING_MS = 1_000;

export type ReloadWay =
  | { kind: 'unit'; unit: string }
  | { kind: 'signal'; pid: number }
  | { kind: 'none'; why: string };

export function reloadWayOf(process: HaproxyProcess | undefined): ReloadWay {
  if (process === undefined)
    return { kind: 'none', why: 'HAProxy does not run: it reads the lines when it starts' };
  const { pid, unit, args, children } = process;
  if (unit !== undefined && existsSync('/run/systemd/system')) return { kind: 'unit', unit };
  if (args.hasMaster || children.length > 0) return { kind: 'signal', pid };
  return {
    kind: 'none',
    why: `HAProxy (process ${pid}) runs without a master (-W): restart it to make it read the lines`,
  };
}

/** How a new worker is known: it answers at the stats socket; without one, it is a child of the master that lives. */
export interface NewWorker {
  socket: string | undefined;
  master: number;
}

/**
 * @param checkMs how long `haproxy -c` took
 * @returns why there is no new worker; undefined: there is one
 */
export async function reloadHaproxy(
  way: Exclude<ReloadWay, { kind: 'none' }>,
  worker: NewWorker,
  checkMs: number,
): Promise<string | undefined> {
  const before = await workersOf(worker);
  const waitMs = Math.max(LEAST_WAIT_MS, checkMs * 10);
  if (way.kind === 'unit') {
    const { isWell, output } = await runToEnd(['systemctl', 'reload', way.unit], { timeoutMs: waitMs });
    if (!isWell) return `systemctl reload ${way.unit}: ${output}`;
  } else if (!isSignalled(way.pid))
    return `process ${way.pid}, HAProxy's master, takes no signal: it has ended`;
  const deadline = performance.now() + waitMs;
  while (performance.now() < deadline) {
    if ((await workersOf(worker)).some((pid) => !before.includes(pid)) && (await isStaying(worker, before))) {
      return undefined;
    }
    await sleep(POLL_MS);
  }
  return `no new worker of HAProxy came up${worker.socket === undefined ? '' : ` at ${worker.socket}`} within ${Math.round(waitMs / 1000)} s`;
}

function isSignalled(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGUSR2');
  } catch {
    return false;
  }
}

async function workersOf({ socket, master }: NewWorker): Promise<number[]> {
  if (socket === undefined) return workersUnder(master);
  const pid = await workerPid(socket);
  return pid === undefined ? [] : [pid];
}

/** Since 3.1 a worker starts before it reads the configuration, and ends if it cannot. */
async function isStaying(worker: NewWorker, before: readonly number[]): Promise<boolean> {
  if (worker.socket !== undefined) return true;
  await sleep(STAYING_MS);
  return (await workersOf(worker)).some((pid) => !before.includes(pid));
}

/** Of the worker that answers there; undefined: none does. */
function workerPid(socket: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => connection.write('show info\n'));
    let answer = '';
    connection.setTimeout(2_000, () => connection.destroy());
    connection.setEncoding('latin1').on('data', (text: string) => {
      answer += text.slice(0, 100_000 - answer.length);
    });
    // A socket that is not there yet is one that nobody answers.
    connection.on('error', () => undefined);
    connection.once('close', () => {
      const isStopping = /^Stopping: [1-9]/m.test(answer);
      const pid = Number(/^Pid: (\d+)/m.exec(answer)?.[1]);
      resolve(pid > 0 && !isStopping ? pid : undefined);
    });
  });
}
