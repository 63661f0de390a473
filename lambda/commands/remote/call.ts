/** `--function NAME`: the command runs in the deployed function, with its role; what it prints and its exit status are as if it ran here. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { callerName } from '../../audit/actor.ts';
import {
  clearProgress,
  print,
  printNotice,
  printProgress,
  printToStderr,
  terminalWidth,
} from '../command.ts';
import { type CommandValues, OPTIONS, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { FunctionError } from './function-error.ts';
import { type Invoked, invokeFunction, openLambda } from './invoke.ts';
import { readAnswer } from './protocol.ts';
import { commandKey, localProblem, reachOf, reachProblem } from './reach.ts';

/** A pass takes minutes; whoever waits longer wants to know. */
const BUSY_MS = 2 * MINUTE_MS;
const PAUSE_MS = 5 * SECOND_MS;

/**
 * @param args as typed
 * @throws UsageError, ConfigError, FunctionError
 */
export async function callFunction(
  args: readonly string[],
  values: CommandValues,
  positionals: readonly string[],
): Promise<number> {
  const { function: functionName = '' } = values;
  const name = commandKey(positionals);
  const reach = reachOf(positionals, values);
  const problem = reachProblem(name, reach) ?? localProblem(values) ?? configProblem(values);
  if (problem !== undefined) throw new UsageError(problem);
  const claim = { user: callerName().slice(0, 200), host: hostname().slice(0, 300) };
  const payload = { pemfleetCommand: { args: withoutFunction(args), claim, width: terminalWidth() } };
  const alias = reach === 'change' ? 'change' : 'read';
  try {
    const invoked = await invokeUnlessBusy(functionName, alias, payload);
    return show(functionName, invoked);
  } catch (error) {
    // Nobody knows whether all is well.
    if (!(error instanceof FunctionError) || name !== 'status') throw error;
    printToStderr(`${error.code} ${error.message}\n`);
    return EXIT.unknown;
  }
}

async function invokeUnlessBusy(functionName: string, alias: string, payload: object): Promise<Invoked> {
  const service = await openLambda(functionName, process.env);
  const until = Date.now() + busyMs(process.env);
  const ticking = tick(`${functionName}:${alias}`);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await invokeFunction(service, { functionName, alias, payload });
      } catch (error) {
        const isBusy = error instanceof FunctionError && error.code === 'ERR_FUNCTION_BUSY';
        if (!isBusy || Date.now() + PAUSE_MS > until) throw error;
        if (attempt === 1) printNotice(`${error.message}; waiting for it\n`, 'warning');
        await sleep(PAUSE_MS);
      }
    }
  } finally {
    ticking.stop();
  }
}

/** `PEMFLEET_FUNCTION_WAIT`: seconds to wait for a function that is busy. */
function busyMs(env: Readonly<Record<string, string | undefined>>): number {
  const seconds = Number(env['PEMFLEET_FUNCTION_WAIT'] || 'unset');
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * SECOND_MS : BUSY_MS;
}

/** The function says nothing before its end. */
function tick(what: string): { stop: () => void } {
  const began = Date.now();
  const show = () => printProgress(`${what} works: ${Math.round((Date.now() - began) / SECOND_MS)} s`);
  const timer = setInterval(show, SECOND_MS);
  return {
    stop: () => {
      clearInterval(timer);
      clearProgress();
    },
  };
}

function show(functionName: string, { body, requestId }: Invoked): number {
  const answer = readAnswer(body);
  if (answer === undefined) {
    const says = `${functionName} (request ${requestId}): its answer is none of pemfleet ${PEMFLEET_VERSION}: is it the function that the output IssuerName of the stack names, and of this release?`;
    throw new FunctionError('ERR_FUNCTION_ANSWER', says);
  }
  const { program, status, printed } = answer;
  for (const [stream, text] of printed) (stream === 'stdout' ? print : printToStderr)(text);
  if (program !== PEMFLEET_VERSION && status === EXIT.usage) {
    printToStderr(
      `the function has pemfleet ${program}, and this is ${PEMFLEET_VERSION}: it may not know what this one knows\n`,
    );
  }
  return status;
}

/** The function has its own. */
function configProblem({ config }: CommandValues): string | undefined {
  if (config === OPTIONS.config.default) return undefined;
  return '--config is of this machine, and --function acts with the configuration of the function: leave one of both out';
}

/** @param args that were parsed: a value follows */
function withoutFunction(args: readonly string[]): string[] {
  const rest: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--function') index += 1;
    else if (!arg.startsWith('--function=')) rest.push(arg);
  }
  return rest;
}
