// The same CA for all: Pebble without its pauses, 5 % of nonces rejected, no authorization used twice; before it
// the hostile CA with nothing hostile set, which counts. HTTP-01 is answered out of folders of files; DNS-01 by
// challtestsrv for the peers, and by the stand-in's Route 53 for pemfleet, with a Pebble each.

import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { startAws } from '../aws/aws.ts';
import { type HostileCa, startHostileCa } from '../support/hostile-ca/hostile-ca.ts';
import { startDns } from '../support/parts/dns.ts';
import { startPebble } from '../support/parts/pebble.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Below it are all names that are ordered. */
export const ZONE = 'example.test';

export interface BenchStage {
  ca: HostileCa;
  /** .well-known/acme-challenge lies in it */
  webroot: string;
  challengeDir: string;
  /** answers HTTP-01 out of this folder too */
  answerFrom(dir: string): void;
  /** of `ca`'s DNS, for dns-hook.sh */
  dnsManagementUrl: string;
  /** whose DNS is Route 53 */
  route53: { ca: HostileCa; resolver: string; env: Record<string, string> };
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
  const aws = await startAws();
  aws.route53.createZone({ name: ZONE });
  const [behind, behindRoute53] = await Promise.all([
    startCountedPebble(httpPort, dns.address),
    startCountedPebble(httpPort, aws.dns.address),
  ]);
  const makeDir = (name: string) => {
    const dir = join(temp.path, name);
    mkdirSync(dir, { mode: 0o700 });
    return dir;
  };
  const stop = async () => {
    await Promise.all([behind.stop(), behindRoute53.stop(), dns.stop(), aws.stop(), stopServer()]);
    temp.remove();
  };
  const answerFrom = (dir: string) => void challengeDirs.push(dir);
  const route53 = { ca: behindRoute53.ca, resolver: aws.dns.address, env: aws.administrator.env };
  const dnsManagementUrl = dns.managementUrl;
  return { ca: behind.ca, webroot, challengeDir, answerFrom, dnsManagementUrl, route53, makeDir, stop };
}

async function startCountedPebble(httpPort: number, dnsServer: string) {
  const pebble = await startPebble({ httpPort, dnsServer, nonceRejectPercent: 5, noSleep: true });
  const ca = await startHostileCa({ pebble });
  const stop = () => ca.stop().finally(pebble.stop);
  return { ca, stop };
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
