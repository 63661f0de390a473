/** The whole walk: order, validate, publish, install, serve; then a renewal of all certificates on the same HAProxy process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type OrderedCertificate, type Stage, startStage } from '../e2e/stage.ts';
import { type Handshake, handshake } from '../support/handshake.ts';
import { type ServedCertificate, servingFaults } from './served.ts';
import { describeAgentLine, describeIssuerLine, type Timeline } from './timeline.ts';
import { startTraffic } from './traffic.ts';

export const CERTIFICATES: (OrderedCertificate & { name: string })[] = [
  {
    name: 'shop.example.com',
    identifiers: ['shop.example.com', 'www.shop.example.com', 'cdn.shop.example.com'],
  },
  { name: 'api.example.com', identifiers: ['api.example.com'] },
  { name: 'legacy.example.com', identifiers: ['legacy.example.com'], keyType: 'rsa2048' },
];

/** Printed by `--json`. */
export interface StoryResult {
  certificates: (ServedCertificate & { identifiers: string[] })[];
  haproxyPidBefore: number;
  haproxyPidAfter: number;
  failedRequestsDuringRenewal: number;
  seconds: number;
}

export interface Story {
  result: object;
  /** Expectations that did not hold; empty if all is well. */
  faults: string[];
  httpsPort: number;
  /** A name that is served. */
  example: string;
  /** `pemfleet status` */
  status(): Promise<string>;
  stop(): Promise<void>;
}

const SERVED_DEADLINE_MS = 30_000;

export async function runStory(timeline: Timeline, elapsedMs: () => number): Promise<Story> {
  timeline.chapter('1. The parts, all on this machine');
  const onPart = (name: string, where: string) => timeline.fact('start', `${name}: ${where}`);
  const stage = await startStage({ certificates: CERTIFICATES, onPart });
  try {
    return await act(stage, timeline, elapsedMs);
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

async function act(stage: Stage, timeline: Timeline, elapsedMs: () => number): Promise<Story> {
  const agent = await stage.startAgent({ pollSeconds: 1 });
  followAgent(agent, timeline);
  timeline.fact('start', 'pemfleet-agent run, polling every second');

  timeline.chapter('2. First issue: HAProxy has no certificate yet');
  const first = await issueAndServe(stage, timeline, ['run']);
  const pidBefore = await stage.haproxy.pid();

  timeline.chapter('3. Renewal of all certificates under traffic, without a reload');
  const traffic = startTraffic(
    stage.haproxy.httpsPort,
    CERTIFICATES.map(({ name }) => name),
    await stage.pebble.rootPem(),
  );
  const renewed = await issueAndServe(stage, timeline, ['run', '--force-renewal']);
  // Some traffic on the new certificates, too.
  await sleep(500);
  const { requests, failed, firstFailure } = await traffic.stop();
  const pidAfter = await stage.haproxy.pid();
  timeline.fact(
    'client',
    `${requests} requests during the renewal, ${failed} failed${firstFailure === undefined ? '' : ` (${firstFailure})`}`,
  );
  timeline.fact('haproxy', `process ${pidBefore} before, ${pidAfter} after`);

  const certificates = await Promise.all(
    CERTIFICATES.map((certificate) => proof(stage, certificate, first, renewed)),
  );
  const seconds = Math.round(elapsedMs() / 100) / 10;
  const result = {
    certificates,
    haproxyPidBefore: pidBefore,
    haproxyPidAfter: pidAfter,
    failedRequestsDuringRenewal: failed,
    seconds,
  };
  return {
    result,
    faults: faultsOf(result),
    httpsPort: stage.haproxy.httpsPort,
    example: 'shop.example.com',
    status: async () => (await stage.issuer(['status'])).stdout,
    stop: stage.stop,
  };
}

export function followAgent(agent: { log(): string; ended(): string | undefined }, timeline: Timeline): void {
  let shown = 0;
  const follow = setInterval(() => {
    const lines = agent.log().split('\n');
    for (; shown < lines.length - 1; shown += 1) {
      const text = describeAgentLine(lines[shown] ?? '');
      if (text !== undefined) timeline.fact('agent', text);
    }
    if (agent.ended() !== undefined) clearInterval(follow);
  }, 50);
  follow.unref();
}

/** Runs a pass, then waits until HAProxy serves the issued certificates. @returns serials by certificate */
async function issueAndServe(stage: Stage, timeline: Timeline, args: string[]): Promise<Map<string, string>> {
  const onLine = (line: string) => {
    const text = describeIssuerLine(line);
    if (text !== undefined) timeline.fact('issuer', text);
  };
  const { status, stdout, stderr } = await stage.issuer([...args, '--json', '--log-format', 'json'], {
    onLine,
  });
  if (status !== 0) throw new Error(`pemfleet ${args.join(' ')} ended with ${status}:\n${stderr}`);
  const { outcomes } = JSON.parse(stdout) as { outcomes: { certificate: string; serial: string }[] };
  const serials = new Map(outcomes.map(({ certificate, serial }) => [certificate, serial]));
  for (const { name, identifiers } of CERTIFICATES) {
    for (const identifier of identifiers) {
      const served = await waitServed(stage, identifier, serials.get(name) ?? '');
      timeline.fact(
        'TLS',
        `${identifier} is served with serial ${served.serial}, chain of ${served.chainLength}`,
      );
    }
  }
  return serials;
}

async function waitServed(stage: Stage, servername: string, serial: string): Promise<Handshake> {
  const attempts = SERVED_DEADLINE_MS / 100;
  for (let attempt = 0; ; attempt += 1) {
    const seen = await handshake({ port: stage.haproxy.httpsPort, servername }).catch(
      (error: Error) => error,
    );
    if (!(seen instanceof Error) && seen.serial === serial) return seen;
    if (attempt >= attempts) {
      const what = seen instanceof Error ? seen.message : `serial ${seen.serial}`;
      throw new Error(`${servername}: wanted serial ${serial} to be served, saw ${what}`);
    }
    await sleep(100);
  }
}

async function proof(
  stage: Stage,
  certificate: (typeof CERTIFICATES)[number],
  first: Map<string, string>,
  renewed: Map<string, string>,
) {
  const served = await handshake({ port: stage.haproxy.httpsPort, servername: certificate.name });
  return {
    name: certificate.name,
    identifiers: certificate.identifiers,
    firstSerial: first.get(certificate.name) ?? '',
    renewedSerial: renewed.get(certificate.name) ?? '',
    servedSerial: served.serial,
    chainLength: served.chainLength,
  };
}

function faultsOf(result: StoryResult): string[] {
  const faults = servingFaults(result.certificates);
  if (result.haproxyPidBefore !== result.haproxyPidAfter) faults.push('the process of HAProxy has changed');
  if (result.failedRequestsDuringRenewal > 0) {
    faults.push(`${result.failedRequestsDuringRenewal} requests failed during the renewal`);
  }
  return faults;
}
