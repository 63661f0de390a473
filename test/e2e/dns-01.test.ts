/** DNS-01 at scale and at its worst: `pemfleet run` against a strict Route 53 whose name servers Pebble asks. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Aws, startAws } from '../aws/aws.ts';
import { type Pebble, startPebble } from '../support/parts/pebble.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { finish } from './finish.ts';
import { acmeOf } from './stage.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));
const CHANGE = 'ChangeResourceRecordSets';

/** Of the role in the other account. */
const TRUST = {
  Version: '2012-10-17',
  Statement: [
    {
      ...{ Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::111111111111:root' }, Action: 'sts:AssumeRole' },
      Condition: { StringEquals: { 'sts:ExternalId': 'fleet-7' } },
    },
  ],
};

const temp = makeTempDir();
const configFile = join(temp.path, 'pemfleet.yaml');
let aws: Aws;
let pebble: Pebble;
before(async () => {
  aws = await startAws();
  pebble = await startPebble({ dnsServer: aws.dns.address });
});
after(async () => {
  await pebble.stop();
  await aws.stop();
  temp.remove();
});
beforeEach(() => {
  aws.calls.length = 0;
});

function configure(
  certificates: object[],
  { bucket = `file://${join(temp.path, 'bucket')}`, hostedZones = [] as object[] } = {},
): void {
  const dns = { resolvers: [aws.dns.address], hostedZones };
  const document = { bucket, acme: acmeOf(pebble), challenge: 'dns-01', dns, certificates };
  writeFileSync(configFile, JSON.stringify(document));
  rmSync(join(temp.path, 'bucket'), { recursive: true, force: true });
}

const run = () => finish(PROGRAM, ['run', '--json', '--config', configFile], { env: aws.administrator.env });
const changes = () => aws.calls.filter(({ operation }) => operation === CHANGE);

test('100 certificates of one zone, 30 with apex and wildcard: at most six changes, and the zone is as it was', async () => {
  const foreign = {
    name: '_acme-challenge.c40.many.test',
    type: 'TXT',
    ttl: 300,
    values: ['"somebody else"'],
  };
  const zoneId = aws.route53.createZone({ name: 'many.test', records: [foreign] });
  const before = aws.route53.records(zoneId);
  configure(
    Array.from({ length: 100 }, (_, index) => {
      const name = `c${index}.many.test`;
      return { identifiers: index < 30 ? [name, `*.${name}`] : [name] };
    }),
  );

  const { status, stdout, stderr } = await run();

  assert.equal(status, 0, stderr.slice(-4000));
  assert.equal(JSON.parse(stdout).outcomes.length, 100);
  assert.ok(changes().length <= 6, `${changes().length} changes`);
  const throttled = aws.calls.filter(({ code }) => code === 'Throttling');
  assert.equal(throttled.length, 0, 'no more than five requests a second');
  assert.deepEqual(aws.route53.records(zoneId), before);
});

test('100 certificates over three zones, one by a role, one behind CNAMEs, with S3 as the bucket', async () => {
  const zone = (name: string, options: object = {}) => aws.route53.createZone({ name, ...options });
  const cname = (index: number) => ({
    ...{
      name: `_acme-challenge.d${index}.led.test`,
      type: 'CNAME',
      ttl: 60,
      values: [`d${index}.target.test.`],
    },
  });
  const ids = {
    own: zone('own.test'),
    twin: zone('own.test', { isPrivate: true }),
    foreign: zone('foreign.test', { accountId: '222222222222' }),
    led: zone('led.test', { records: Array.from({ length: 33 }, (_, index) => cname(index)) }),
    target: zone('target.test'),
  };
  const before = Object.values(ids).map((id) => aws.route53.records(id));
  const role = aws.role({ name: 'dns', policies: 'everything', trust: TRUST, accountId: '222222222222' });
  const names = [
    ...Array.from({ length: 34 }, (_, index) => [`a${index}.own.test`, `*.a${index}.own.test`]),
    ...Array.from({ length: 33 }, (_, index) => [`b${index}.foreign.test`]),
    ...Array.from({ length: 33 }, (_, index) => [`d${index}.led.test`]),
  ];
  aws.s3.createBucket('certs');
  const hostedZones = [{ domain: 'foreign.test', roleArn: role.arn, externalId: 'fleet-7' }];
  configure(
    names.map((identifiers) => ({ identifiers })),
    { bucket: 's3://certs/fleet', hostedZones },
  );

  const { status, stderr } = await run();

  assert.equal(status, 0, stderr.slice(-4000));
  const writes = (id: string) => changes().filter(({ subject }) => subject === id).length;
  for (const [what, id] of Object.entries(ids)) {
    assert.ok(writes(id) <= 6, `${writes(id)} changes of ${what}`);
  }
  assert.deepEqual([writes(ids.twin), writes(ids.led)], [0, 0]);
  assert.equal(aws.calls.filter(({ code }) => code === 'Throttling').length, 0);
  assert.deepEqual(
    Object.values(ids).map((id) => aws.route53.records(id)),
    before,
  );
  assert.equal(aws.s3.keys('certs').filter((key) => key.endsWith('.pem')).length, 100);
});

test('values that a killed pass has left are removed by the next one', async () => {
  const zoneId = aws.route53.createZone({ name: 'killed.test' });
  configure([{ identifiers: ['killed.test', '*.killed.test'] }]);
  aws.route53.setInsyncAfter(3_600_000);
  const args = [PROGRAM, 'run', '--config', configFile];
  const env = { ...process.env, ...aws.administrator.env };
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (!aws.calls.some(({ operation }) => operation === 'GetChange')) {
    assert.equal(child.exitCode, null, 'it ended by itself');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  await ended;
  const left = aws.route53.records(zoneId).flatMap(({ values }) => values);
  aws.route53.setInsyncAfter(150);

  const { status, stderr } = await run();

  assert.equal(left.length, 2, 'apex and wildcard share a name');
  assert.equal(status, 0, stderr);
  assert.match(stderr, /order\.resumed/);
  assert.deepEqual(aws.route53.records(zoneId), []);
});
