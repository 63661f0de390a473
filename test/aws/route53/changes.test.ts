/** Batches of changes: Route 53 refuses what emulators of it accept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Change, ListResourceRecordSetsCommand } from '@aws-sdk/client-route-53';
import type { Aws } from '../aws.ts';
import { route53Of, startBench } from '../clients.ts';
import { change, fast, other, records, txt } from './test-changes.ts';

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
  ] as [string, Change[], string, RegExp][]) {
    await t.test(`${what}: ${code}, and nothing changes`, async () => {
      await assert.rejects(change(client, zoneId, ...changes), (error: Error) => {
        assert.equal(error.name, code);
        assert.match(error.message, message);
        return true;
      });
      assert.deepEqual(shown(aws, zoneId), before);
    });
  }

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
