// A function of Lambda, run from its asset: as many execution environments as events are handled at once, up to its reserved concurrency.
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { type Environment, startEnvironment } from './environment.ts';

export interface FunctionOptions {
  name: string;
  arn: string;
  /** of the asset */
  directory: string;
  /** `index.handler` */
  handler: string;
  /** the function's own, and its role's credentials */
  environment: Record<string, string>;
  region: string;
  memoryMb: number;
  timeoutMs: number;
  /** default: a hundred */
  reservedConcurrency?: number;
  logGroup?: string;
  onLog?: (line: string) => void;
}

export interface Invocation {
  /** 200 also where the handler failed; 429: there was no execution environment for it */
  status: 200 | 429;
  functionError: 'Unhandled' | undefined;
  /** JSON */
  payload: string;
  requestId: string;
  /** what was logged while it ran, and where it goes */
  log: readonly string[];
  logStream: string;
  ms: number;
  /** of a cold start */
  initMs: number | undefined;
  peakMb: number;
}

export interface LambdaFunction {
  name: string;
  arn: string;
  /**
   * As `RequestResponse`.
   * @param qualifier an alias, or a version: the handler finds it behind the function's ARN
   */
  invoke(event: unknown, qualifier?: string): Promise<Invocation>;
  /** Ends its execution environments. */
  stop(): Promise<void>;
}

interface Place {
  environment: Environment;
  log: string[];
  logStream: string;
}

/** Nothing of it starts before the first event. */
export function startFunction(options: FunctionOptions): LambdaFunction {
  const { name, arn, reservedConcurrency = 100 } = options;
  const ground: Ground = { options, idle: [], all: new Set() };
  let busy = 0;
  return {
    ...{ name, arn },
    invoke: async (event, qualifier) => {
      if (busy >= reservedConcurrency) return throttled();
      busy += 1;
      return run(ground, event, qualifier).finally(() => {
        busy -= 1;
      });
    },
    stop: async () => {
      await Promise.all([...ground.all].map(({ environment }) => environment.stop()));
      ground.all.clear();
    },
  };
}

interface Ground {
  options: FunctionOptions;
  idle: Place[];
  all: Set<Place>;
}

async function run(ground: Ground, event: unknown, qualifier: string | undefined): Promise<Invocation> {
  const { options, idle } = ground;
  const { place, isCold } = await placeFor(ground);
  const { environment, log, logStream } = place;
  const [requestId, began] = [randomUUID(), Date.now()];
  const deadline = new Date(began + options.timeoutMs);
  const payload = JSON.stringify(event);
  const functionArn = qualifier === undefined ? options.arn : `${options.arn}:${qualifier}`;
  const answer = await environment.run({ requestId, deadline, functionArn, payload });
  const ms = Date.now() - began;
  await allRead(log);
  if (environment.isAlive()) idle.push(place);
  else await environment.stop();
  return {
    ...{ status: 200, functionError: answer.isError ? 'Unhandled' : undefined, payload: answer.payload },
    ...{ requestId, log: log.splice(0), logStream, ms },
    ...{ initMs: isCold ? environment.initMs : undefined, peakMb: environment.peakMb() },
  };
}

async function placeFor({ options, idle, all }: Ground): Promise<{ place: Place; isCold: boolean }> {
  const warm = idle.pop();
  if (warm?.environment.isAlive()) return { place: warm, isCold: false };
  const place = await startPlace(options);
  all.add(place);
  return { place, isCold: true };
}

/** What the process wrote before its answer is in the pipe, but may not be read yet. */
async function allRead(log: readonly string[]): Promise<void> {
  for (let known = -1; known < log.length; ) {
    known = log.length;
    await turn();
    await turn();
  }
}

async function startPlace(options: FunctionOptions): Promise<Place> {
  const log: string[] = [];
  const logStream = `${new Date().toISOString().slice(0, 10).replaceAll('-', '/')}/[$LATEST]${randomUUID().replaceAll('-', '')}`;
  const environment = await startEnvironment({
    env: environmentOf(options, logStream),
    memoryMb: options.memoryMb,
    onLog: (line) => {
      log.push(line);
      options.onLog?.(line);
    },
  });
  return { environment, log, logStream };
}

/** What Lambda sets beside; a machine's PATH is not Lambda's, but the handler must not depend on it. */
function environmentOf(options: FunctionOptions, stream: string): Record<string, string> {
  const {
    name,
    directory,
    handler,
    environment,
    region,
    memoryMb,
    logGroup = `/aws/lambda/${name}`,
  } = options;
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    TZ: ':UTC',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: stream,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    LAMBDA_TASK_ROOT: directory,
    _HANDLER: handler,
    ...environment,
  };
}

function throttled(): Invocation {
  const reason = 'ReservedFunctionConcurrentInvocationLimitExceeded';
  const payload = JSON.stringify({ Type: 'User', message: 'Rate Exceeded.', Reason: reason });
  const none = { log: [], logStream: '', ms: 0, initMs: undefined, peakMb: 0 };
  return { status: 429, functionError: undefined, payload, requestId: randomUUID(), ...none };
}
