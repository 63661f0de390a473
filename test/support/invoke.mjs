// Runs a Lambda's bundle once, as the service would: `node invoke.mjs BUNDLE SECONDS`, the event on standard input.
// Its log goes to standard output, as on Lambda; the result, or the error, to file descriptor 3.

import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const [bundle, seconds] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;
const { handler } = await import(pathToFileURL(bundle));
const event = JSON.parse((await text(process.stdin)) || '{}');
const context = {
  getRemainingTimeInMillis: () => end - Date.now(),
  functionName: 'issuer',
  invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:issuer',
  awsRequestId: 'r-1',
};
try {
  writeSync(3, JSON.stringify({ result: await handler(event, context) }));
} catch (error) {
  writeSync(3, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
  process.exitCode = 1;
}
