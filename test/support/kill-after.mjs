// Preloaded (node --import) into a program under test: kills it with -9 right after its k-th external call, so that
// every moment at which a machine can die is tried in turn. KILL_AFTER=k; without, it only counts into KILL_COUNT_FILE.
import { appendFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';

const wanted = Number(process.env['KILL_AFTER'] ?? Number.POSITIVE_INFINITY);
const countFile = process.env['KILL_COUNT_FILE'];
let calls = 0;

function called(what) {
  calls += 1;
  if (countFile) appendFileSync(countFile, `${what}\n`);
  if (calls === wanted) process.kill(process.pid, 'SIGKILL');
}

// The CA has done what the request asks for, and the issuer has not read the answer yet.
const { request } = https;
https.request = (...args) =>
  request(...args).prependOnceListener('response', () => called(`https ${args[1]?.method} ${args[0]}`));

// What changes a directory; a read leaves nothing behind that a kill could spoil.
for (const name of ['open', 'rename', 'link', 'unlink', 'mkdir']) {
  const original = fs[name];
  fs[name] = async (...args) => {
    const result = await original(...args);
    called(`${name} ${args[0]}`);
    return result;
  };
}
syncBuiltinESMExports();
