// A command on its way to the hosts: who is meant, how many at once, after how many failures no more, and how it ends.
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { SsmDocument } from './documents.ts';
import { type HostEnvironment, runDocument, type StepResult } from './run.ts';

export interface Host extends HostEnvironment {
  instanceId: string;
  tags: Record<string, string>;
  isOnline: boolean;
}

/** SSM's own words for how a command ends on a host. */
export interface Progress {
  status: 'Pending' | 'InProgress' | 'Success' | 'Failed' | 'TimedOut' | 'Cancelled';
  details: string;
}

export interface Invocation extends Progress {
  host: Host;
  results: readonly StepResult[];
}

export interface Command {
  id: string;
  document: SsmDocument;
  values: Record<string, string[]>;
  comment: string;
  targets: readonly { Key: string; Values: string[] }[];
  maxConcurrency: string;
  maxErrors: string;
  timeoutSeconds: number;
  requestedAt: Date;
  invocations: Invocation[];
}

export type CommandInput = Omit<Command, 'id' | 'invocations'> & { hosts: readonly Host[] };

export type Commands = ReturnType<typeof createCommands>;

export function createCommands(now: () => Date) {
  const commands: Command[] = [];
  const running = new Set<ChildProcess>();
  const flights = new Set<Promise<void>>();

  const fly = (flight: Promise<void>) => {
    flights.add(flight);
    void flight.finally(() => flights.delete(flight));
  };
  return {
    send({ hosts, ...input }: CommandInput): Command {
      const begun = { status: 'Pending', details: 'Pending', results: [] } as const;
      const invocations = hosts.map((host): Invocation => ({ ...begun, host }));
      const command = { ...input, id: randomUUID(), invocations };
      commands.push(command);
      fly(deliver(command, running));
      return command;
    },
    all(): Command[] {
      for (const command of commands) giveUp(command, now());
      return commands;
    },
    /** A host that comes back fetches what waits for it. */
    deliverWaiting(): void {
      for (const command of commands) {
        giveUp(command, now());
        fly(deliver(command, running));
      }
    },
    running,
    async settled(): Promise<void> {
      while (flights.size > 0) await Promise.all(flights);
    },
  };
}

/** What no host has fetched in time. */
function giveUp({ requestedAt, timeoutSeconds, invocations }: Command, now: Date): void {
  if (now.getTime() <= requestedAt.getTime() + timeoutSeconds * 1000) return;
  for (const invocation of invocations) {
    if (invocation.status === 'Pending') end(invocation, 'TimedOut', 'DeliveryTimedOut');
  }
}

async function deliver(command: Command, running: Set<ChildProcess>): Promise<void> {
  const { invocations } = command;
  const atOnce = Math.max(1, countOf(command.maxConcurrency, invocations.length));
  const errorsAllowed = countOf(command.maxErrors, invocations.length);
  const waiting = invocations.filter(({ status, host }) => status === 'Pending' && host.isOnline);
  const workers = Array.from({ length: Math.min(atOnce, waiting.length) }, async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // a delivery to a host that came back may have been faster
      if (next.status !== 'Pending') continue;
      const failures = invocations.filter(
        ({ status }) => status === 'Failed' || status === 'TimedOut',
      ).length;
      if (failures > errorsAllowed) end(next, 'Cancelled', 'Terminated');
      else await runOn(next, command, running);
    }
  });
  await Promise.all(workers);
}

async function runOn(invocation: Invocation, command: Command, running: Set<ChildProcess>): Promise<void> {
  end(invocation, 'InProgress', 'InProgress');
  invocation.results = await runDocument(command.document, command.values, invocation.host, running);
  const last = invocation.results.at(-1);
  if (last?.isTimedOut) end(invocation, 'TimedOut', 'ExecutionTimedOut');
  else if (last?.code === 0) end(invocation, 'Success', 'Success');
  else end(invocation, 'Failed', 'Failed');
}

function end(invocation: Invocation, status: Invocation['status'], details: string): void {
  Object.assign(invocation, { status, details });
}

/** A number, or a share of the targets. */
const countOf = (limit: string, targets: number) =>
  limit.endsWith('%') ? Math.floor((targets * Number.parseInt(limit, 10)) / 100) : Number(limit);

/** Of all hosts together. */
export function commandStatus({ invocations }: Command): Progress {
  if (invocations.length === 0) return { status: 'Success', details: 'NoInstancesInTag' };
  const has = (status: Invocation['status']) => invocations.some((one) => one.status === status);
  if (has('InProgress')) return { status: 'InProgress', details: 'InProgress' };
  if (has('Pending')) return { status: 'Pending', details: 'Pending' };
  if (has('TimedOut')) return { status: 'TimedOut', details: 'ExecutionTimedOut' };
  if (has('Failed')) return { status: 'Failed', details: 'Failed' };
  return { status: 'Success', details: 'Success' };
}
