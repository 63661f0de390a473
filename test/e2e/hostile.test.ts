/**
 * Whatever hosts write in the place of their status, the issuer's pass is green, names them, emits its metrics and needs little memory;
 * whatever the bucket holds in the place of manifest and PEM, the agent does.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { serializeHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import { MAX_STATUS_BYTES } from '#contract/limits.ts';
import { emptyManifest } from '#contract/manifest.ts';
import { openBucket } from '#storage/open.ts';
import { Publisher } from '../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../lambda/upgrade/along.ts';
import { type Aws, startAws } from '../aws/aws.ts';
import { AwsFailure } from '../aws/wire.ts';
import { entryFor, signedRoot } from '../support/agent/publish.ts';
import { sendForever, startWildStore } from '../support/bucket/wild-store.ts';
import { after as later } from '../support/clock.ts';
import { setEnv } from '../support/env.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeEntry,
  makeHostStatus,
  makePemRef,
  named,
} from '../support/issuer/documents.ts';
import { createPki } from '../support/parts/pki.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { program } from './aws-stage.ts';
import { type Invocation, invoke } from './invoke.ts';

/** In the place of a status, and in one of its texts. */
const [LARGE, LONG] = [150_000_000, 20_000_000];
const [ISSUER_MB, AGENT_MB] = [256, 144];
const BUCKET = 'certs';
const tmp = makeTempDir();
after(tmp.remove);
const aws = await startAws();
after(aws.stop);
aws.s3.createBucket(BUCKET);
const now = new Date();

const MEASURED = `--import=${new URL('../support/peak-memory.mjs', import.meta.url).href}`;
const peakMbOf = (stderr: string) => Number(/peak=(\d+)/.exec(stderr)?.[1]) / 1024;

const configFile = join(tmp.path, 'pemfleet.json');
writeFileSync(
  configFile,
  JSON.stringify({
    bucket: `s3://${BUCKET}`,
    acme: { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true },
    certificates: [{ identifiers: ['a.test'] }],
  }),
);
const pem = makePemRef({
  notBefore: later(now, -DAY_MS).toISOString(),
  notAfter: later(now, 89 * DAY_MS).toISOString(),
});
const entry = makeEntry({
  identifiers: ['a.test'],
  pems: [pem],
  publishedAt: later(now, -DAY_MS).toISOString(),
});

/** As an issuer has left it: signed, with its PEM. */
async function publish(): Promise<void> {
  const restore = setEnv(aws.administrator.env);
  const bucket = await openBucket(`s3://${BUCKET}`);
  const signing = await openSigningKey(bucket, { fleets: [fleet] });
  const { combined } = await (await createPki()).issue({
    names: ['a.test'],
    notAfter: later(now, 89 * DAY_MS),
  });
  const whole = makeEntry({ ...entryFor(combined, ['a.test']), issued: makeEntry().issued });
  const texts = whole.pems.map(({ sha256 }) => ({ sha256, text: combined }));
  await new Publisher(
    bucket,
    fleet,
    publisherOptions(bucket, signing, () => now),
  ).publish(named('a.test'), whole, texts);
  restore();
}
await publish();

const write = (host: string, body: string | Buffer) =>
  aws.s3.write(BUCKET, layout.status(fleet, hostName.parse(host)), body);
const statusOf = (host: string, changes: object = {}) =>
  serializeHostStatus({ ...makeHostStatus(host, { reportedAt: now.toISOString() }), ...changes });
const pass = () =>
  invoke('issuer', { ...aws.administrator.env, PEMFLEET_CONFIG: configFile, NODE_OPTIONS: MEASURED });
const figures = ({ log }: Invocation) => log.find(({ _aws }) => _aws !== undefined) ?? {};

const HOSTILE: [host: string, code: string, plant: (aws: Aws, host: string) => unknown][] = [
  ['i-0large', 'ERR_BUCKET_SIZE', (_, host) => write(host, Buffer.alloc(LARGE, '['))],
  ['i-0objects', 'ERR_BUCKET_SIZE', (_, host) => write(host, `[${'{},'.repeat(8_000_000)}{}]`)],
  ['i-0levels', 'ERR_BUCKET_SIZE', (_, host) => write(host, '['.repeat(3_000_000))],
  ['i-0small-levels', 'ERR_STATUS_SCHEMA', (_, host) => write(host, '['.repeat(1_000_000))],
  ['i-0small-objects', 'ERR_STATUS_SCHEMA', (_, host) => write(host, `[${'{},'.repeat(340_000)}{}]`)],
  [
    'i-0files',
    'ERR_STATUS_SCHEMA',
    (_, host) => write(host, statusOf(host, { files: Array(9_999).fill({}) })),
  ],
  ['i-0aaa', 'ERR_STATUS_SCHEMA', (_, host) => write(host, statusOf('i-0bbb'))],
  [
    'i-0glacier',
    'ERR_BUCKET_ARCHIVED',
    ({ fault }, host) => {
      write(host, statusOf(host));
      const refuse = new AwsFailure(
        403,
        'InvalidObjectState',
        'The operation is not valid for the storage class',
      );
      fault({ service: 's3', operation: 'GetObject', subject: /i-0glacier/ }, { refuse });
    },
  ],
];

test('issuer: green, with metrics and the names of hosts, below 256 MB, whatever hosts report', async (t) => {
  write('i-0good', statusOf('i-0good'));
  for (const [host, , plant] of HOSTILE) plant(aws, host);
  // Six at once: their manifest was copied into the issuer's own book. A status, a text in it and a manifest have a limit each.
  const long = [
    ...['i-0six0', 'i-0six1'].map((host) => [host, 'ERR_BUCKET_SIZE', LONG] as const),
    ...['i-0six2', 'i-0six3'].map((host) => [host, 'ERR_STATUS_SCHEMA', MAX_STATUS_BYTES - 1000] as const),
    ...['i-0six4', 'i-0six5'].map((host) => [host, 'ERR_STATUS_SCHEMA', 60_000] as const),
  ];
  for (const [host, , size] of long) write(host, statusOf(host, { manifest: 'x'.repeat(size) }));

  const first = await pass();
  for (const [host] of long) aws.s3.remove(BUCKET, layout.status(fleet, hostName.parse(host)));
  const second = await pass();

  for (const [invocation, unreadable] of [
    [first, HOSTILE.length + long.length],
    [second, HOSTILE.length],
  ] as const) {
    assert.equal(invocation.errorType, undefined, invocation.errorMessage);
    assert.equal(figures(invocation)['RunFinished'], 1);
    assert.equal(figures(invocation)['HostsBehind'], unreadable);
    const said = JSON.stringify(invocation.log.find(({ message }) => message === 'status.unreadable'));
    for (const [host, code] of [...HOSTILE, ...(invocation === first ? long : [])]) {
      assert.ok(said.includes(`"${host}: ${code}"`), `${host} in ${said}`);
    }
    const peak = peakMbOf(invocation.stderr);
    t.diagnostic(`issuer: ${peak.toFixed()} MB`);
    assert.ok(peak < ISSUER_MB, `${peak} MB`);
  }
});

/** One pass of the agent, with no HAProxy: it polls all the same. */
let count = 0;
async function agentPass(bucket: string) {
  count += 1;
  const config = join(tmp.path, 'agent.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      ...{ bucket, fleet: 'default', host: 'lb1', stateDir: join(tmp.path, `state-${count}`) },
      haproxy: { statsSocket: join(tmp.path, 'none.sock'), certsDir: tmp.path },
    }),
  );
  const env = { PATH: process.env['PATH'], NODE_OPTIONS: MEASURED, HOME: tmp.path };
  const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'eu-central-1' };
  const child = spawn(process.execPath, [program('agent'), 'sync', '--config', config], {
    env: { ...env, ...credentials },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return stderr;
}

const rootOf = (sequence: number, size: number, changes: object = {}) =>
  signedRoot(
    {
      ...emptyManifest(fleet, now),
      certificates: { ['a.test' as never]: { ...entry, pems: [{ ...pem, size }] } },
    },
    { fleet, sequence, ...changes },
  );

// keys.json has no end in any of them.
for (const [says, manifest, code] of [
  ['a manifest of 1.5 GB', 1_500_000_000, 'ERR_BUCKET_SIZE'],
  ['a manifest without an end', undefined, 'ERR_BUCKET_SIZE'],
  ['a manifest of 24 MB of {}', `[${'{},'.repeat(8_000_000)}{}]`, 'ERR_MANIFEST_SIGNATURE'],
  [
    'a signed manifest of 27 MB of {}',
    rootOf(1, 2_431, { more: Array(3_000_000).fill({}) }),
    'ERR_MANIFEST_SCHEMA',
  ],
  ['a PEM without an end', rootOf(2, 2_431), 'ERR_PEM_DIGEST'],
  ['a PEM of 1.5 GB, as the manifest says', rootOf(3, 1_500_000_000), 'ERR_PEM_SIZE'],
] as const) {
  test(`agent: ${says} is ${code}, below 144 MB`, async (t) => {
    const url = await startWildStore(t, (response, { pathname }) => {
      if (!pathname.endsWith('root.json') || manifest === undefined) return sendForever(response);
      if (typeof manifest === 'string') return response.end(manifest);
      response.setHeader('content-length', manifest);
      return sendForever(response);
    });

    const stderr = await agentPass(url);

    assert.match(stderr, new RegExp(`code=${code}`));
    const peak = peakMbOf(stderr);
    t.diagnostic(`agent: ${peak.toFixed()} MB`);
    assert.ok(peak < AGENT_MB, `${peak} MB`);
  });
}
