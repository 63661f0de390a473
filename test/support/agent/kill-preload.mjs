// Loaded before the agent: counts its calls to the outside (files, sockets, programs) and kills it with SIGKILL at
// the one that PEMFLEET_KILL_AT names. Before each call it also looks at the mode of every file in the watched
// folders: a PEM must never be readable beyond its mode, not even while it is written.
// Plain JavaScript: it runs before any loader.

import childProcess from 'node:child_process';
import { appendFileSync, lstatSync, readdirSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';

const killAt = Number(process.env.PEMFLEET_KILL_AT ?? 0);
const only = process.env.PEMFLEET_KILL_ONLY || '';
const report = process.env.PEMFLEET_KILL_REPORT;
const watched = (process.env.PEMFLEET_WATCH ?? '').split(':').filter(Boolean);
let count = 0;

function checkModes() {
  for (const folder of watched) {
    for (const name of readdirSync(folder)) {
      const mode = lstatSync(join(folder, name), { throwIfNoEntry: false })?.mode ?? 0;
      if ((mode & 0o077) !== 0) appendFileSync(report, `open mode ${(mode & 0o777).toString(8)} ${name}\n`);
    }
  }
}

/** @returns whether this is the call to die at */
function isLast(what) {
  checkModes();
  if (!what.startsWith(only)) return false;
  count += 1;
  if (count !== killAt) return false;
  appendFileSync(report, `killed at ${count} ${what}\n`);
  return true;
}

const die = () => process.kill(process.pid, 'SIGKILL');

for (const name of Object.keys(fs)) {
  const original = fs[name];
  if (typeof original !== 'function') continue;
  fs[name] = async (...args) => {
    if (isLast(`fs.${name}`)) die();
    const result = await original.apply(fs, args);
    return name === 'open' ? patchHandle(result) : result;
  };
}

function patchHandle(handle) {
  for (const name of ['writeFile', 'chmod', 'chown', 'sync', 'close']) {
    const original = handle[name].bind(handle);
    handle[name] = async (...args) => {
      if (isLast(`handle.${name}`)) {
        // half-written
        if (name === 'writeFile') await original(args[0].slice(0, args[0].length / 2));
        die();
      }
      return original(...args);
    };
  }
  return handle;
}

const { createConnection } = net;
net.createConnection = (...args) => {
  if (isLast('socket.connect')) die();
  const socket = createConnection(...args);
  const write = socket.write.bind(socket);
  socket.write = (...words) => {
    const result = write(...words);
    // HAProxy has the command, nobody waits for its answer
    if (isLast('socket.write')) die();
    return result;
  };
  return socket;
};

const { spawn } = childProcess;
childProcess.spawn = (...args) => {
  if (isLast('spawn')) die();
  return spawn(...args);
};

syncBuiltinESMExports();
process.on('exit', () => {
  if (report) appendFileSync(report, `calls ${count}\n`);
});
