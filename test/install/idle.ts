// A host on S3 with nothing to do: its bucket with 20 certificates, its role, HAProxy, and the wire to S3, which is counted.
import { spawn } from 'node:child_process';
import { openBucket } from '#storage/open.ts';
import { type Aws, startAws } from '../aws/aws.ts';
import { allow } from '../aws/clients.ts';
import { startImds } from '../aws/imds.ts';
import { fleet } from '../support/agent/host.ts';
import { publisher } from '../support/agent/publish.ts';
import { stageOn } from '../support/agent/stage.ts';
import { countWire } from '../support/counted-wire.ts';
import { setEnv } from '../support/env.ts';
import { type Footprint, footprintOf } from '../support/footprint.ts';
import { startHaproxy } from '../support/parts/haproxy.ts';
import { until } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { type Keep, startTogether } from '../support/together.ts';

const CERTIFICATES = 20;
/** The garbage of the installations is collected some seconds later. */
const SETTLED = 12;
export const BUCKET = 's3://certs?region=eu-central-1';

export interface IdleHost {
  aws: Aws;
  dir: string;
  /** of a program: where S3 and its credentials are, and nothing else */
  env: Record<string, string>;
  /** for pemfleet-agent */
  flags: readonly string[];
  /** to S3, so far */
  traffic(): { requests: number; bytes: number };
  stop(): Promise<void>;
}

export const startIdleHost = (): Promise<IdleHost> => startTogether(startHost);

async function startHost(keep: Keep): Promise<Omit<IdleHost, 'stop'>> {
  const place = makeTempDir();
  keep(place.remove);
  const aws = await startAws();
  keep(aws.stop);
  aws.s3.createBucket('certs');
  const restoreEnv = setEnv(aws.administrator.env);
  const haproxy = await startHaproxy({ version: '3.2' });
  keep(haproxy.stop);
  const stage = await stageOn(haproxy, place.path);
  const { publish } = publisher(await openBucket(BUCKET), stage.pki);
  for (let index = 0; index < CERTIFICATES; index += 1) {
    await publish(`c${index}`, { names: [`c${index}.test`] });
  }
  // the issuer's part is over: what is started from here on is the host's
  restoreEnv();
  const policies = [
    allow('s3:GetObject', `arn:aws:s3:::certs/published/${fleet}/*`),
    allow('s3:PutObject', `arn:aws:s3:::certs/status/${fleet}/*`),
  ];
  const principal = aws.principal({ name: 'i-0aaa', role: aws.role({ name: 'hosts', policies }) });
  const imds = await startImds({ principal: () => principal });
  keep(imds.stop);
  const wire = await countWire(aws.endpoint);
  keep(wire.stop);
  return {
    ...{ aws, dir: place.path, flags: [...stage.flags, '--bucket', BUCKET] },
    env: { PATH: '/usr/bin:/bin', AWS_ENDPOINT_URL: wire.endpoint, ...imds.env },
    traffic: () => ({ requests: aws.calls.length, bytes: wire.bytes() }),
  };
}

export interface Idle extends Footprint {
  polls: number;
  requests: number;
  bytes: number;
}

/** `run` for so many polls that find nothing new, after it has come to rest. */
export async function measureResident(host: IdleHost, program: string, polls: number): Promise<Idle> {
  const args = ['run', ...host.flags, '--poll-interval', '1'];
  const child = spawn(program, args, { env: host.env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const polled = () => said.split('event=manifest.unchanged').length - 1;
  const reached = (count: number) =>
    until(
      async () => polled() >= count,
      () => (child.exitCode === null ? undefined : said),
      120_000,
    );
  try {
    await reached(SETTLED);
    const [first, before, footprint] = [polled(), host.traffic(), footprintOf(child.pid ?? 0)];
    await reached(first + polls);
    const [last, after, now] = [polled(), host.traffic(), footprintOf(child.pid ?? 0)];
    return {
      ...now,
      ...{ polls: last - first, cpuMs: now.cpuMs - footprint.cpuMs },
      ...{ requests: after.requests - before.requests, bytes: after.bytes - before.bytes },
    };
  } finally {
    child.kill('SIGKILL');
  }
}
