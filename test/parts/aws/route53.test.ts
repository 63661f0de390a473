/** Route 53 is strict where emulators of it are not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  CreateHostedZoneCommand,
  GetChangeCommand,
  GetHostedZoneCommand,
  ListHostedZonesByNameCommand,
  ListHostedZonesCommand,
  ListResourceRecordSetsCommand,
  type Route53Client,
  type RRType,
} from '@aws-sdk/client-route-53';
import { type Aws, refusals } from './aws.ts';
import { allow, refusalOf, route53Of, startBench } from './support.ts';

const fast = { route53: { requestsPerSecond: 1000 } };
const records = (...values: string[]) => values.map((Value) => ({ Value }));
const txt = (
  Action: Change['Action'],
  Name: string,
  values: string[],
  TTL: number | undefined = 60,
): Change => ({
  Action,
  ResourceRecordSet: { Name, Type: 'TXT', TTL, ResourceRecords: records(...values) },
});
const other = (Action: Change['Action'], Name: string, Type: RRType, value: string): Change => ({
  Action,
  ResourceRecordSet: { Name, Type, TTL: 60, ResourceRecords: records(value) },
});
const change = (client: Route53Client, HostedZoneId: string, ...Changes: Change[]) =>
  client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }));
const shown = (aws: Aws, zoneId: string) =>
  aws.route53.records(zoneId).map(({ name, type, ttl, values }) => `${name} ${type} ${ttl} ${values}`);

test('changes', async (t) => {
  const aws = await startBench(t, fast);
  const client = route53Of(aws);
  const zoneId = aws.route53.createZone({
    name: 'example.test',
    records: [
      { name: '_acme-challenge.example.test', type: 'TXT', ttl: 60, values: ['"a"', '"b"'] },
      { name: 'www.example.test', type: 'CNAME', ttl: 60, values: ['example.test'] },
    ],
  });
  const before = shown(aws, zoneId);
  const name = '_acme-challenge.example.test';
  const many = Array.from({ length: 501 }, (_, index) => txt('UPSERT', `n${index}.example.test`, ['"x"']));
  const long = Array.from({ length: 70 }, (_, index) =>
    txt('UPSERT', `n${index}.example.test`, [`"${'x'.repeat(240)}"`]),
  );

  for (const [what, changes, code, message] of [
    [
      'TXT without quotes',
      [txt('UPSERT', name, ['a'])],
      'InvalidChangeBatch',
      /InvalidCharacterString \(Value should be enclosed in quotation marks\) encountered with 'a'/,
    ],
    [
      'a string of 256 bytes',
      [txt('UPSERT', name, [`"${'x'.repeat(256)}"`])],
      'InvalidChangeBatch',
      /CharacterStringTooLong/,
    ],
    [
      'one value twice',
      [txt('UPSERT', name, ['"c"', '"c"'])],
      'InvalidChangeBatch',
      /Duplicate Resource Record: '"c"'/,
    ],
    [
      'CREATE of what there is',
      [txt('CREATE', name, ['"c"'])],
      'InvalidChangeBatch',
      /^\[Tried to create resource record set \[name='_acme-challenge.example.test.', type='TXT'\] but it already exists\]$/,
    ],
    [
      'DELETE of what there is not',
      [txt('DELETE', `x.${name}`, ['"a"'])],
      'InvalidChangeBatch',
      /but it was not found/,
    ],
    [
      'DELETE of some of the values',
      [txt('DELETE', name, ['"a"'])],
      'InvalidChangeBatch',
      /the values provided do not match the current values/,
    ],
    [
      'DELETE with another TTL',
      [txt('DELETE', name, ['"a"', '"b"'], 61)],
      'InvalidChangeBatch',
      /the values provided do not match/,
    ],
    [
      'a name in no zone of this',
      [txt('UPSERT', 'example.org', ['"a"'])],
      'InvalidChangeBatch',
      /RRSet with DNS name example.org. is not permitted in zone example.test./,
    ],
    [
      'TXT beside a CNAME',
      [txt('UPSERT', 'www.example.test', ['"a"'])],
      'InvalidChangeBatch',
      /conflicting RRSet of type CNAME/,
    ],
    [
      'CNAME at the apex',
      [other('UPSERT', 'example.test', 'CNAME', 'a.test')],
      'InvalidChangeBatch',
      /not permitted at apex/,
    ],
    [
      'the SOA removed',
      [other('DELETE', 'example.test', 'SOA', 'x')],
      'InvalidChangeBatch',
      /exactly one SOA/,
    ],
    [
      'an address that is none',
      [other('UPSERT', 'a.example.test', 'A', '300.1.1.1')],
      'InvalidChangeBatch',
      /not a valid IPv4 address/,
    ],
    [
      'a label of 64',
      [txt('UPSERT', `${'x'.repeat(64)}.example.test`, ['"a"'])],
      'InvalidChangeBatch',
      /DomainLabelTooLong/,
    ],
    [
      'one set twice',
      [txt('UPSERT', name, ['"c"']), txt('UPSERT', name, ['"d"'])],
      'InvalidChangeBatch',
      /invalid set of changes for a resource record set 'TXT/,
    ],
    ['more than 1,000 records, an UPSERT counted twice', many, 'InvalidChangeBatch', /records limit of 1000/],
    [
      'more than 32,000 letters, an UPSERT counted twice',
      long,
      'InvalidChangeBatch',
      /characters limit of 32000/,
    ],
    [
      'no TTL',
      [{ Action: 'UPSERT', ResourceRecordSet: { Name: name, Type: 'TXT', ResourceRecords: records('"a"') } }],
      'InvalidInput',
      /Missing field 'TTL'/,
    ],
    [
      'a good change with a bad one',
      [txt('UPSERT', 'new.example.test', ['"a"']), txt('CREATE', name, ['"c"'])],
      'InvalidChangeBatch',
      /already exists/,
    ],
  ] as [string, Change[], string, RegExp][])
    await t.test(`${what}: ${code}, and nothing changes`, async () => {
      await assert.rejects(change(client, zoneId, ...changes), (error: Error) => {
        assert.equal(error.name, code);
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(shown(aws, zoneId), before);
    });

  await t.test('what is right is done', async () => {
    await change(client, zoneId, txt('DELETE', name.toUpperCase(), ['"b"', '"a"']));
    await change(client, zoneId, txt('CREATE', name, ['"a" "second string"', '"quo\\"ted"']));
    await change(
      client,
      zoneId,
      txt('UPSERT', `${name}.`, ['"c"'], 30),
      txt('CREATE', '*.example.test', ['"w"']),
    );
    await change(client, zoneId, txt('DELETE', name, ['"c"'], 30), txt('CREATE', name, ['"d"']));

    assert.deepEqual(shown(aws, zoneId), [
      '*.example.test. TXT 60 "w"',
      '_acme-challenge.example.test. TXT 60 "d"',
      'www.example.test. CNAME 60 example.test',
    ]);
  });

  await t.test('records are listed from a name and type on, a page at a time; `*` is \\052', async () => {
    const page = (more = {}) =>
      client.send(new ListResourceRecordSetsCommand({ HostedZoneId: zoneId, MaxItems: 2, ...more }));
    const first = await page();
    const second = await page({
      StartRecordName: first.NextRecordName,
      StartRecordType: first.NextRecordType,
    });
    const [wildcard] =
      (await page({ StartRecordName: '*.example.test', StartRecordType: 'TXT' })).ResourceRecordSets ?? [];
    const names = [first, second].map(({ ResourceRecordSets = [] }) =>
      ResourceRecordSets.map(({ Name, Type }) => `${Name} ${Type}`),
    );

    assert.deepEqual(names, [
      ['example.test. NS', 'example.test. SOA'],
      ['\\052.example.test. TXT', '_acme-challenge.example.test. TXT'],
    ]);
    assert.deepEqual([wildcard?.Name, wildcard?.ResourceRecords], ['\\052.example.test.', records('"w"')]);
    assert.equal(second.IsTruncated, true);
  });
});

test('a change is PENDING, then INSYNC', async (t) => {
  const aws = await startBench(t);
  const client = route53Of(aws);
  const zoneId = aws.route53.createZone({ name: 'example.test' });

  const { ChangeInfo } = await change(client, zoneId, txt('CREATE', 'a.example.test', ['"a"']));
  const look = async () =>
    (await client.send(new GetChangeCommand({ Id: ChangeInfo?.Id }))).ChangeInfo?.Status;

  assert.match(ChangeInfo?.Id ?? '', /^\/change\/C/);
  assert.equal(await look(), 'PENDING');
  await sleep(200);
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
  const aws = await startBench(t);
  const ask = (who = aws.administrator) =>
    refusalOf(route53Of(aws, who).send(new ListHostedZonesCommand({})));
  const stranger = aws.principal({ name: 'other', policies: 'everything', accountId: '222222222222' });

  const answers = await Promise.all(Array.from({ length: 7 }, () => ask()));

  assert.equal(answers.filter((answer) => answer === '400 Throttling').length, 2);
  assert.match(await ask(stranger), /^not refused/);
  await sleep(1100);
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
  ] as [string, () => Promise<unknown>, RegExp][])
    await t.test(`${what}: ${expected}`, async () => assert.match(await refusalOf(ask()), expected));

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
