// A Lambda's cold start without Lambda: loads a bundle, answers one event if there is one, and says how long it took.
import { pathToFileURL } from 'node:url';

const [, , bundle = '', event] = process.argv;
const begun = performance.now();
const { handler } = await import(pathToFileURL(bundle).href);
const loaded = performance.now();
const answer = event === undefined ? undefined : await handler(JSON.parse(event));
const answered = performance.now();
const measured = { loadMs: loaded - begun, answerMs: answered - loaded, status: answer?.statusCode };
process.stdout.write(JSON.stringify({ ...measured, residentMb: process.memoryUsage.rss() / 1e6 }));
// Connections that are kept would hold it.
process.exit(0);
