// What the SSM agent does on a host: the steps of a document, by the shell, with the host's own folder and environment.
import { type ChildProcess, spawn } from 'node:child_process';
import type { DocumentStep, SsmDocument } from './documents.ts';

export interface StepResult {
  name: string;
  code: number;
  stdout: string;
  stderr: string;
  isTimedOut: boolean;
  startedAt: Date;
  endedAt: Date;
}

export interface HostEnvironment {
  cwd: string;
  env: Record<string, string>;
  /** an agent before 3.3.2746 sets no SSM_… variables */
  isOldAgent: boolean;
}

type Values = Record<string, string[]>;

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const defaultTimeoutSeconds = '3600';

/** @param running where the processes stand while they run, for whoever must end them */
export async function runDocument(
  document: SsmDocument,
  values: Values,
  host: HostEnvironment,
  running: Set<ChildProcess>,
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const step of document.steps) {
    const result = await runStep(step, document, values, { host, running });
    results.push(result);
    if (result.code !== 0) break;
  }
  return results;
}

function runStep(
  { name, inputs = {} }: DocumentStep,
  document: SsmDocument,
  values: Values,
  { host, running }: { host: HostEnvironment; running: Set<ChildProcess> },
): Promise<StepResult> {
  const { runCommand = [], workingDirectory = '', timeoutSeconds = defaultTimeoutSeconds } = inputs;
  const script = [runCommand]
    .flat()
    .map((line) => interpolate(line, values))
    .join('\n');
  const cwd = interpolate(workingDirectory, values) || host.cwd;
  const variables = host.isOldAgent ? {} : environmentOf(document, values);
  const child = spawn('/bin/sh', ['-c', script], {
    cwd,
    env: { PATH: searchPath, ...host.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    // a group of its own: what the script has started ends with it
    detached: true,
  });
  running.add(child);
  const startedAt = new Date();
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      output[stream] += chunk;
    });
  }
  let isTimedOut = false;
  const late = setTimeout(
    () => {
      isTimedOut = true;
      endGroup(child);
    },
    Number(interpolate(timeoutSeconds, values)) * 1000,
  );
  return new Promise((resolve) => {
    const finish = (code: number, stderr = '') => {
      clearTimeout(late);
      running.delete(child);
      const { stdout } = output;
      const times = { startedAt, endedAt: new Date() };
      resolve({ name, code, stdout, stderr: output.stderr + stderr, isTimedOut, ...times });
    };
    child.once('error', (error) => finish(127, error.message));
    child.once('close', (code) => finish(code ?? 137));
  });
}

export function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** As text, whatever interpolationType says: documents for old agents still name the parameter in the script. */
const interpolate = (text: string, values: Values) =>
  text.replace(/\{\{\s*([A-Za-z0-9]+)\s*\}\}/g, (whole, name: string) => values[name]?.join('\n') ?? whole);

function environmentOf({ parameters }: SsmDocument, values: Values): Record<string, string> {
  const names = Object.keys(parameters).filter((name) => parameters[name]?.interpolationType === 'ENV_VAR');
  return Object.fromEntries(names.map((name) => [`SSM_${name}`, values[name]?.join('\n') ?? '']));
}
