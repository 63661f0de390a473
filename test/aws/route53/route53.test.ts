/** Zones, limits and permissions of Route 53. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateHostedZoneCommand,
  GetChangeCommand,
  GetHostedZoneCommand,
  ListHostedZonesByNameCommand,
  ListHostedZonesCommand,
} from '@aws-sdk/client-route-53';
import { refusals } from '../aws.ts';
import { allow, refusalOf, route53Of, standingClock, startBench } from '../clients.ts';
import { route53Suite } from './suite.ts';
import { change, fast, other, txt } from './test-changes.ts';

route53Suite(async (t) => route53Of(await startBench(t, fast)));

test('a change is PENDING, then INSYNC', async (t) => {
  const clock = standingClock();
  const aws = await startBench(t, { now: clock.now });
  const client = route53Of(aws);
  const zoneId = aws.route53.createZone({ name: 'example.test' });

  const { ChangeInfo } = await change(client, zoneId, txt('CREATE', 'a.example.test', ['"a"']));
  const look = async () =>
    (await client.send(new GetChangeCommand({ Id: ChangeInfo?.Id }))).ChangeInfo?.Status;

  assert.match(ChangeInfo?.Id ?? '', /^\/change\/C/);
  assert.equal(await look(), 'PENDING');
  clock.advance(150);
  assert.equal(await look(), 'INSYNC');
  assert.equal(await refusalOf(client.send(new GetChangeCommand({ Id: 'C0' }))), '404 NoSuchChange');
});

test('zones: created, listed from a name on, public and private twins, those of others hidden', async (t) => {
  const aws = await startBench(t, fast);
  const client = route53Of(aws);
  const create = (Name: string, more = {}) =>
    client.send(new CreateHostedZoneCommand({ Name, CallerReference: Name, ...more }));
  const VPC = { VPCRegion: 'eu-central-1', VPCId: 'vpc-0aaa' } as const;
  const made = await create('example.test');
  await create('example.test', { CallerReference: 'private', VPC });
  await create('sub.example.test');
  await create('a.test');
  await create('example.abc');
  aws.route53.createZone({ name: 'example.test', accountId: '222222222222' });
  const byName = async (DNSName?: string, MaxItems?: number) => {
    const { HostedZones = [] } = await client.send(new ListHostedZonesByNameCommand({ DNSName, MaxItems }));
    return HostedZones.map(({ Name, Config }) => (Config?.PrivateZone ? `${Name} private` : Name)).sort();
  };

  assert.deepEqual(await byName('example.test', 2), ['example.test.', 'example.test. private']);
  assert.deepEqual(await byName('example.test'), [
    'example.test.',
    'example.test. private',
    'sub.example.test.',
  ]);
  assert.deepEqual(await byName('zzz.sub.example.test'), []);
  assert.deepEqual(await byName('nosuch.test', 1), [], 'nothing stands behind it');
  assert.deepEqual(
    await byName('b.test', 1).then((names) => names.length),
    1,
    'another zone than was asked for',
  );
  assert.equal((await byName()).length, 5);
  const pages = await client.send(new ListHostedZonesCommand({ MaxItems: 3 }));
  const rest = await client.send(new ListHostedZonesCommand({ Marker: pages.NextMarker }));
  assert.deepEqual([pages.HostedZones?.length, rest.HostedZones?.length], [3, 2]);
  const got = await client.send(new GetHostedZoneCommand({ Id: made.HostedZone?.Id }));
  assert.equal(got.DelegationSet?.NameServers?.length, 4);
  assert.equal(await refusalOf(create('example.test')), '409 HostedZoneAlreadyExists');
  assert.equal(await refusalOf(client.send(new GetHostedZoneCommand({ Id: 'Z0' }))), '404 NoSuchHostedZone');
});

test('five requests a second for an account, then Throttling', async (t) => {
  const clock = standingClock();
  const aws = await startBench(t, { now: clock.now });
  const ask = (who = aws.administrator) =>
    refusalOf(route53Of(aws, who).send(new ListHostedZonesCommand({})));
  const stranger = aws.principal({ name: 'other', policies: 'everything', accountId: '222222222222' });

  const answers = await Promise.all(Array.from({ length: 7 }, () => ask()));

  assert.equal(answers.filter((answer) => answer === '400 Throttling').length, 2);
  assert.match(await ask(stranger), /^not refused/);
  clock.advance(1000);
  assert.match(await ask(), /^not refused/);
});

test('policies: by zone, and by name, type and action of the records', async (t) => {
  const aws = await startBench(t, fast);
  const zoneId = aws.route53.createZone({ name: 'example.test' });
  const elsewhere = aws.route53.createZone({ name: 'example.org' });
  const foreign = aws.route53.createZone({ name: 'example.net', accountId: '222222222222' });
  const key = (name: string) => `route53:ChangeResourceRecordSets${name}`;
  const condition = {
    'ForAllValues:StringLike': { [key('NormalizedRecordNames')]: ['_acme-challenge.*'] },
    'ForAllValues:StringEquals': { [key('RecordTypes')]: ['TXT'], [key('Actions')]: ['UPSERT', 'DELETE'] },
  };
  const zones = [zoneId, foreign].map((id) => `arn:aws:route53:::hostedzone/${id}`);
  const policies = [allow('route53:ChangeResourceRecordSets', zones, condition)];
  const client = route53Of(aws, aws.principal({ name: 'issuer', policies }));
  const name = '_acme-challenge.example.test';

  for (const [what, ask, expected] of [
    [
      'TXT at the challenge name',
      () => change(client, zoneId, txt('UPSERT', name.toUpperCase(), ['"a"'])),
      /^not refused/,
    ],
    [
      'TXT elsewhere',
      () => change(client, zoneId, txt('UPSERT', 'a.example.test', ['"a"'])),
      /^403 AccessDenied$/,
    ],
    [
      'one of two elsewhere',
      () => change(client, zoneId, txt('UPSERT', name, ['"a"']), txt('UPSERT', 'example.test', ['"a"'])),
      /^403 AccessDenied$/,
    ],
    [
      'an address',
      () => change(client, zoneId, other('UPSERT', name, 'A', '127.0.0.1')),
      /^403 AccessDenied$/,
    ],
    ['CREATE', () => change(client, zoneId, txt('CREATE', name, ['"a"'])), /^403 AccessDenied$/],
    ['another zone', () => change(client, elsewhere, txt('UPSERT', name, ['"a"'])), /^403 AccessDenied$/],
    [
      "another account's zone",
      () => change(client, foreign, txt('UPSERT', '_acme-challenge.example.net', ['"a"'])),
      /^403 AccessDenied$/,
    ],
    ['GetChange', () => client.send(new GetChangeCommand({ Id: 'C0' })), /^403 AccessDenied$/],
    ['ListHostedZonesByName', () => client.send(new ListHostedZonesByNameCommand({})), /^403 AccessDenied$/],
  ] as [string, () => Promise<unknown>, RegExp][]) {
    await t.test(`${what}: ${expected}`, async () => assert.match(await refusalOf(ask()), expected));
  }

  const [first] = aws.calls;
  assert.deepEqual(first?.context, {
    [key('NormalizedRecordNames')]: [name],
    [key('RecordTypes')]: ['TXT'],
    [key('Actions')]: ['UPSERT'],
  });
});

test('a prior request that is not complete can be set', async (t) => {
  const aws = await startBench(t);
  const zoneId = aws.route53.createZone({ name: 'example.test' });
  const place = { operation: 'ChangeResourceRecordSets', subject: zoneId, times: 1 };
  aws.fault(place, refusals.priorRequestNotComplete());
  const ask = () => change(route53Of(aws), zoneId, txt('UPSERT', 'a.example.test', ['"a"']));

  assert.equal(await refusalOf(ask()), '400 PriorRequestNotComplete');
  await ask();
});
