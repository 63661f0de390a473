// What Lambda's managed Node.js runtime does in a function's process: loads the handler, asks the Runtime API for one event after
// the other, and posts what became of it. AWS's own client (npm aws-lambda-ric) does the same by a native addon, which has to be
// compiled with cmake; this needs nothing. It runs from the environment alone, as Lambda sets it.
import { request } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { env } = process;
const [host, port] = String(env.AWS_LAMBDA_RUNTIME_API).split(':');

/** No time-out: the next event may come in hours. */
function call(method, path, body = '', headers = {}) {
  const options = { host, port, method, path: `/2018-06-01/runtime${path}`, headers, agent: false };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      incoming.once('end', () => resolve({ headers: incoming.headers, text }));
      incoming.once('error', reject);
    });
    outgoing.once('error', reject).end(body);
  });
}

function report(path, error) {
  const { name: errorType = 'Error', message: errorMessage, stack = '' } = error ?? {};
  const document = { errorType, errorMessage: errorMessage ?? String(error), trace: stack.split('\n') };
  const headers = { 'lambda-runtime-function-error-type': errorType };
  return call('POST', path, JSON.stringify(document), headers);
}

async function loadHandler() {
  const [file, name] = String(env._HANDLER).split(/\.(?=[^.]+$)/);
  const loaded = await import(pathToFileURL(join(env.LAMBDA_TASK_ROOT, `${file}.mjs`)));
  if (typeof loaded[name] === 'function') return loaded[name];
  const missing = new Error(`${env._HANDLER} is undefined or not exported`);
  missing.name = 'Runtime.HandlerNotFound';
  throw missing;
}

const contextOf = (headers) => ({
  awsRequestId: headers['lambda-runtime-aws-request-id'],
  invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
  functionName: env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
  memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  getRemainingTimeInMillis: () => Number(headers['lambda-runtime-deadline-ms']) - Date.now(),
});

async function answerOne(handler) {
  const { headers, text } = await call('GET', '/invocation/next');
  const path = `/invocation/${headers['lambda-runtime-aws-request-id']}`;
  try {
    const result = await handler(JSON.parse(text), contextOf(headers));
    await call('POST', `${path}/response`, JSON.stringify(result ?? null));
  } catch (error) {
    await report(`${path}/error`, error);
  }
}

const handler = await loadHandler().catch(async (error) => {
  await report('/init/error', error);
  process.exit(1);
});
for (;;) await answerOne(handler);
