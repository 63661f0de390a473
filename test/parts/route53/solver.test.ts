// DNS-01 from order to zone and back: Pebble asks the name servers of a Route 53 that is as strict as AWS's.
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../../lambda/config/config.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
import { runPassExclusively } from '../../../lambda/wiring.ts';
import { startAws } from '../../aws/aws.ts';
import { normalizeName } from '../../aws/route53/names.ts';
import { memoryBucket } from '../../support/bucket/memory-bucket.ts';
import { setEnv } from '../../support/env.ts';
import { startPebble } from '../../support/parts/pebble.ts';

const aws = await startAws();
after(aws.stop);
after(setEnv(aws.administrator.env));
const pebble = await startPebble({ dnsServer: aws.dns.address });
after(pebble.stop);
beforeEach(() => {
  aws.clearFaults();
  aws.calls.length = 0;
});

const CHANGE = 'ChangeResourceRecordSets';
const callsOf = (operation: string) => aws.calls.filter((call) => call.operation === operation);

function configOf(certificates: object[], dns: object = {}): Config {
  const { directoryUrl, caFile } = pebble;
  const acme = { directoryUrl, caFile, termsOfServiceAgreed: true };
  const resolvers = [aws.dns.address];
  const document = {
    bucket: 'file:///memory',
    acme,
    challenge: 'dns-01',
    dns: { resolvers, ...dns },
    certificates,
  };
  return parseConfig('test', JSON.stringify(document));
}

async function runSolverPass(config: Config, bucket = memoryBucket(), options: PassOptions = {}) {
  const events: object[] = [];
  const now = () => new Date();
  const deadline = new Date(Date.now() + 120_000);
  const timing = { now, deadline, sleep: (ms: number) => sleep(ms) };
  const log = (event: string, fields?: object) => void events.push({ event, ...fields });
  const identity = { id: 'test', label: 'test' };
  const request = { bucket, config, options, timing, random: () => 0.5, log, identity };
  const { outcomes } = await runPassExclusively(request);
  return { outcomes, log: JSON.stringify(events), bucket };
}

const resultsOf = ({ outcomes }: Awaited<ReturnType<typeof runSolverPass>>) =>
  outcomes.map(({ result }) => result);

test('three zones, one by a role, one behind a CNAME; a private twin is never written', async () => {
  const zone = (name: string, options: object = {}) => aws.route53.createZone({ name, ...options });
  const own = zone('own.test');
  const twin = zone('own.test', { isPrivate: true });
  const child = zone('child.own.test');
  const foreign = zone('foreign.test', { accountId: '222222222222' });
  const acme = zone('acme.test');
  const cname = {
    name: '_acme-challenge.www.fixed.test',
    type: 'CNAME',
    ttl: 60,
    values: ['www.acme.test.'],
  };
  const fixed = zone('fixed.test', { records: [cname] });
  const trust = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::111111111111:root' },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': 'fleet-7' } },
      },
    ],
  };
  const role = aws.role({ name: 'dns', policies: 'everything', trust, accountId: '222222222222' });
  const hostedZones = [{ domain: 'foreign.test', roleArn: role.arn, externalId: 'fleet-7' }];
  const certificates = [
    { identifiers: ['a.own.test', 'b.child.own.test'] },
    { identifiers: ['foreign.test', '*.foreign.test'] },
    { identifiers: ['www.fixed.test'] },
  ];
  const zones = [own, child, foreign, acme, fixed];
  const before = zones.map((id) => aws.route53.records(id));

  const plan = await runSolverPass(configOf(certificates, { hostedZones }), memoryBucket(), { dryRun: true });
  const done = await runSolverPass(configOf(certificates, { hostedZones }));

  assert.deepEqual(plan.outcomes[2]?.places, [
    `_acme-challenge.www.fixed.test → www.acme.test in hosted zone acme.test (${acme})`,
  ]);
  assert.deepEqual(resultsOf(done), ['issued', 'issued', 'issued'], done.log.slice(-3000));
  const written = new Set(callsOf(CHANGE).map(({ subject }) => subject));
  assert.deepEqual([...written].sort(), [own, child, foreign, acme].sort());
  assert.ok(!written.has(twin));
  assert.deepEqual(
    zones.map((id) => aws.route53.records(id)),
    before,
  );
});

test('a refused name fails alone, with its name in the error', async () => {
  const zoneId = aws.route53.createZone({ name: 'halves.test' });
  const good = Array.from({ length: 7 }, (_, index) => ({ identifiers: [`good${index}.halves.test`] }));
  // A CNAME that the name servers do not show yet, so that no validator follows it; a TXT record beside it is refused.
  const zone = aws.route53.zones.find(zoneId);
  const name = normalizeName('_acme-challenge.bad.halves.test');
  const cname = { name, type: 'CNAME', ttl: 60, values: ['elsewhere.test.'] };
  aws.route53.setInsyncAfter(3_600_000);
  aws.route53.zones.publish(zone, [...zone.records, cname]);
  aws.route53.setInsyncAfter(150);

  const done = await runSolverPass(configOf([...good, { identifiers: ['bad.halves.test'] }]));

  assert.deepEqual(resultsOf(done), [...good.map(() => 'issued'), 'failed'], done.log.slice(-3000));
  const { error } = done.outcomes.at(-1) ?? {};
  assert.equal(error?.code, 'ERR_DNS_CHANGE');
  assert.match(error?.message ?? '', /_acme-challenge\.bad\.halves\.test/);
});
