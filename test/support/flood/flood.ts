// HTTP-01 under fire: a flood of tokens that do not exist, and a CA that validates meanwhile through the printed lines of HAProxy.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { responderLines, snippetOf } from '../../../lambda/challenge/haproxy-lines.ts';
import { withLines } from '../agent/configs.ts';
import { type HaproxyVersion, startHaproxy } from '../parts/haproxy.ts';
import { freePort } from '../ports.ts';

export interface Flood {
  version: HaproxyVersion;
  perSecond: number;
  /** Addresses that it comes from. */
  sources: number;
  /** Default: its clients stay for the answer. */
  leaves?: boolean;
  validations: number;
}

export interface FloodResult {
  /** Why validations failed. */
  failed: string[];
  sent: number;
  /** Requests that reached the responder. */
  answered: number;
  longestMs: number;
}

/** Of the upstream: a Lambda with ten executions. */
const [ANSWER_MS, EXECUTIONS] = [50, 10];
/** The CA validates from several networks at once, and waits so long for an answer. */
const [VANTAGE_POINTS, PATIENCE_MS] = [3, 10_000];

/**
 * A large first order: one CA asks for many names at once.
 * @param strangers tokens that are not here, which the CA asks for before: of names of others that point to this HAProxy
 * @returns why validations failed
 */
export async function burstOf(
  t: TestContext,
  version: HaproxyVersion,
  { names, strangers = 0 }: { names: number; strangers?: number },
): Promise<string[]> {
  const { upstream, port } = await startFront(t, version);
  const others = Array.from({ length: strangers }, (_, index) => `token-${index}-of-the-names-of-others`);
  await Promise.all(others.map((token) => fetchToken(port, token, '127.8.0.1')));
  const all = Array.from({ length: names }, () => fetchToken(port, upstream.present(), '127.8.0.1'));
  return (await Promise.all(all)).filter((fault) => fault !== undefined);
}

async function startFront(t: TestContext, version: HaproxyVersion) {
  const upstream = await startUpstream(t);
  const port = await freePort();
  const lines = snippetOf(responderLines(upstream.address)).replace(/maxconn \d+/, `maxconn ${EXECUTIONS}`);
  const haproxy = await startHaproxy({ version, configText: withLines(lines, port) });
  t.after(() => haproxy.stop());
  return { upstream, port };
}

export async function floodOf(
  t: TestContext,
  { version, perSecond, sources, leaves = false, validations }: Flood,
): Promise<FloodResult> {
  const { upstream, port } = await startFront(t, version);
  const program = fileURLToPath(new URL('source.ts', import.meta.url));
  const words = [
    '--import',
    'tsx',
    program,
    ...[port, perSecond, sources].map(String),
    leaves ? 'leaves' : 'stays',
  ];
  const source = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => void source.kill('SIGKILL'));
  let said = '';
  source.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (upstream.count() === 0) await sleep(50);
  await sleep(3000);
  const results: { faults: string[]; ms: number }[] = [];
  for (let index = 0; index < validations; index += 1) {
    results.push(await validate(port, upstream.present()));
    await sleep(200);
  }
  source.kill('SIGTERM');
  await once(source, 'close');
  return {
    failed: results.flatMap(({ faults }) => faults.slice(0, 1)),
    sent: Number(said),
    answered: upstream.count(),
    longestMs: Math.max(...results.map(({ ms }) => ms)),
  };
}

async function validate(port: number, token: string): Promise<{ faults: string[]; ms: number }> {
  const begin = performance.now();
  const points = Array.from({ length: VANTAGE_POINTS }, (_, index) =>
    fetchToken(port, token, `127.8.0.${index + 1}`),
  );
  const faults = (await Promise.all(points)).filter((fault) => fault !== undefined);
  return { faults, ms: performance.now() - begin };
}

/** @returns why it failed */
function fetchToken(port: number, token: string, localAddress: string): Promise<string | undefined> {
  const path = `/.well-known/acme-challenge/${token}`;
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path, localAddress, agent: false, timeout: PATIENCE_MS };
    const outgoing = get({ ...options, headers: { host: 'www.example.com' } }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (text: string) => (body += text));
      incoming.on('end', () => {
        const isRight = incoming.statusCode === 200 && body === `${token}.thumbprint`;
        resolve(isRight ? undefined : `${incoming.statusCode} ${body}`);
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    outgoing.on('error', (error) => resolve(error.message));
  });
}

/** Answers what was presented, and refuses more than its executions can take, as Lambda does. */
async function startUpstream(t: TestContext) {
  const tokens = new Set<string>();
  let [running, count] = [0, 0];
  const server = createServer(async (request, response) => {
    if (running >= EXECUTIONS) return void response.writeHead(429).end();
    running += 1;
    count += 1;
    await sleep(ANSWER_MS);
    running -= 1;
    const token = request.url?.split('/').at(-1) ?? '';
    const [status, body] = tokens.has(token) ? [200, `${token}.thumbprint`] : [404, 'not found\n'];
    response.writeHead(status as number, { 'cache-control': 'no-store' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => count,
    present: () => {
      const token = `token-${tokens.size}-of-the-ca-that-validates`;
      tokens.add(token);
      return token;
    },
  };
}
