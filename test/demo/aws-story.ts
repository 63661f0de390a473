/** The whole walk on AWS: stack synthesized, deployed into the stand-ins, started by the schedule; HTTP-01, DNS-01, then a renewal of all certificates. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Cloud, startCloud } from '../aws/cloud/cloud.ts';
import { askForRenewal, published, served } from '../aws/cloud/facts.ts';
import { documentOf, FOREIGN_NAME } from '../aws/cloud/ground.ts';
import { finish } from '../e2e/finish.ts';
import { type AwsResult, certificatesOf, faultsOf, recordOf } from './aws-result.ts';
import { followAgent, type Story } from './story.ts';
import { describeIssuerLine, type Timeline } from './timeline.ts';
import { startTraffic } from './traffic.ts';

const WEB = { identifiers: ['www.example.test'] };
const BY_HTTP = { challenge: 'http-01', certificates: [WEB] } as const;
const BY_DNS = {
  challenge: 'dns-01',
  certificates: [
    WEB,
    { name: 'wild', identifiers: ['*.example.test', 'example.test'] },
    { identifiers: [FOREIGN_NAME] },
  ],
} as const;
/** Certificate → a name that it is served for. */
const NAMES = {
  'www.example.test': 'www.example.test',
  wild: 'any.example.test',
  [FOREIGN_NAME]: FOREIGN_NAME,
};

export async function runAwsStory(timeline: Timeline, elapsedMs: () => number): Promise<Story> {
  timeline.chapter('1. The stack, synthesized and deployed into stand-ins on this machine');
  const cloud = await startCloud(BY_HTTP, {
    onPart: (name, where) => timeline.fact('start', `${name}: ${where}`),
    onLog: (functionId, line) => {
      const text = functionId.includes('Issuer') ? describeIssuerLine(line) : undefined;
      if (text !== undefined) timeline.fact('issuer', text);
    },
  });
  try {
    const result = await act(cloud, timeline, elapsedMs);
    return {
      result,
      faults: faultsOf(result),
      httpsPort: cloud.httpsPort,
      example: 'www.example.test',
      status: () => status(cloud),
      stop: cloud.stop,
    };
  } catch (error) {
    await cloud.stop();
    throw error;
  }
}

async function act(cloud: Cloud, timeline: Timeline, elapsedMs: () => number): Promise<AwsResult> {
  followAgent(cloud.agent, timeline);
  timeline.chapter('2. The schedule starts the issuer: HTTP-01 through HAProxy and the Function URL');
  const passes = [await pass(cloud, timeline, 'http-01', ['www.example.test'])];
  const pidBefore = await cloud.host.haproxy.pid();

  timeline.chapter('3. A changed pemfleet.yaml is deployed: DNS-01, a wildcard, a zone of another account');
  await cloud.update(BY_DNS);
  passes.push(await pass(cloud, timeline, 'dns-01', ['www.example.test', 'wild', FOREIGN_NAME]));
  const first = published(cloud);

  timeline.chapter('4. The CA asks for a renewal of all certificates: under traffic, without a reload');
  await askForRenewal(cloud);
  const traffic = startTraffic(cloud.httpsPort, Object.values(NAMES), await cloud.pebble.rootPem());
  passes.push(await pass(cloud, timeline, 'dns-01', ['www.example.test', 'wild', FOREIGN_NAME]));
  // Some traffic on the new certificates, too.
  await sleep(500);
  const { requests, failed, firstFailure = '' } = await traffic.stop();
  const pidAfter = await cloud.host.haproxy.pid();
  timeline.fact('client', `${requests} requests during the renewal, ${failed} failed ${firstFailure}`);
  timeline.fact('haproxy', `process ${pidBefore} before, ${pidAfter} after`);
  return {
    certificates: await certificatesOf(cloud, NAMES, first),
    passes,
    ...(await recordOf(cloud, timeline)),
    haproxyPidBefore: pidBefore,
    haproxyPidAfter: pidAfter,
    failedRequestsDuringRenewal: failed,
    seconds: Math.round(elapsedMs() / 100) / 10,
  };
}

/** One invocation by the schedule, until HAProxy serves what it issued. */
async function pass(
  cloud: Cloud,
  timeline: Timeline,
  challenge: string,
  names: readonly (keyof typeof NAMES)[],
): Promise<AwsResult['passes'][number]> {
  const { ms, ...invocation } = await cloud.pass();
  const initMs = invocation.initMs && Math.round(invocation.initMs);
  const peakMb = Math.round(invocation.peakMb);
  const start = initMs === undefined ? 'warm' : `${initMs} ms to load`;
  timeline.fact('lambda', `issuer: ${ms} ms, ${start}, ${peakMb} MB at most`);
  for (const name of names) {
    const serial = await served(cloud, name, NAMES[name]);
    timeline.fact('TLS', `${NAMES[name]} is served with serial ${serial}`);
  }
  return { challenge, ms, initMs, peakMb };
}

/** `pemfleet status` as an operator runs it, with an operator's rights. */
async function status(cloud: Cloud): Promise<string> {
  const file = join(cloud.dir, 'pemfleet.json');
  writeFileSync(file, JSON.stringify({ ...documentOf(cloud, BY_DNS), bucket: `s3://${cloud.bucket}` }));
  const program = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));
  const { stdout, stderr } = await finish(program, ['status', '--config', file], {
    env: cloud.aws.administrator.env,
  });
  return stdout || stderr;
}
