// The same CA for all: Pebble without its pauses, 5 % of nonces rejected, no authorization used twice; before it
// the hostile CA with nothing hostile set, which counts. Challenges are answered out of folders of files.

import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type HostileCa, startHostileCa } from '../support/hostile-ca/hostile-ca.ts';
import { startDns } from '../support/parts/dns.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir } from '../support/temp-dir.ts';

export interface BenchStage {
  ca: HostileCa;
  /** .well-known/acme-challenge lies in it */
  webroot: string;
  challengeDir: string;
  /** answers challenges out of this folder too */
  answerFrom(dir: string): void;
  /** an empty folder */
  makeDir(name: string): string;
  stop(): Promise<void>;
}

export async function startBenchStage(): Promise<BenchStage> {
  const temp = makeTempDir();
  const webroot = join(temp.path, 'webroot');
  const challengeDir = join(webroot, '.well-known/acme-challenge');
  mkdirSync(challengeDir, { recursive: true });
  const httpPort = await freePort();
  const challengeDirs = [challengeDir];
  const stopServer = await serveFiles(challengeDirs, httpPort);
  const dns = await startDns();
  const pebble = await startPebble({
    httpPort,
    dnsServer: dns.address,
    nonceRejectPercent: 5,
    noSleep: true,
  });
  const ca = await startHostileCa({ pebble });
  const makeDir = (name: string) => {
    const dir = join(temp.path, name);
    mkdirSync(dir, { mode: 0o700 });
    return dir;
  };
  const stop = async () => {
    await Promise.all([ca.stop(), pebble.stop(), dns.stop(), stopServer()]);
    temp.remove();
  };
  const answerFrom = (dir: string) => void challengeDirs.push(dir);
  return { ca, webroot, challengeDir, answerFrom, makeDir, stop };
}

async function serveFiles(dirs: readonly string[], port: number): Promise<() => Promise<void>> {
  const server = createServer((asked, response) => {
    response.setHeader('connection', 'close');
    const token = (asked.url ?? '').split('/').at(-1) ?? '';
    const reads = dirs.map((dir) => readFile(join(dir, token)));
    Promise.any(reads).then(
      (body) => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return () => new Promise((resolve) => server.close(() => resolve()));
}
