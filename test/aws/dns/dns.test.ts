/** The name servers answer what is INSYNC in public zones, and Pebble believes them. */
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { ChangeResourceRecordSetsCommand, GetChangeCommand } from '@aws-sdk/client-route-53';
import packet, { type RecordType } from 'dns-packet';
import { issueByDns } from '../../support/issue-by-dns.ts';
import { startPebble } from '../../support/parts/pebble.ts';
import type { Aws } from '../aws.ts';
import { route53Of, standingClock, startBench } from '../clients.ts';

function resolverOf(aws: Aws): Resolver {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([aws.dns.address]);
  return resolver;
}

const set = (name: string, type: string, ...values: string[]) => ({ name, type, ttl: 60, values });
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    (answer) => JSON.stringify(answer),
    (error: NodeJS.ErrnoException) => error.code,
  );

test('answers', async (t) => {
  const aws = await startBench(t);
  const { createZone } = aws.route53;
  createZone({
    name: 'example.test',
    records: [
      set('a.example.test', 'A', '127.0.0.7'),
      set('*.wild.example.test', 'TXT', '"synthesized"'),
      set('there.wild.example.test', 'A', '127.0.0.1'),
      set('x.y.example.test', 'TXT', '"one " "string"', '"qu\\"oted"'),
      set('alias.example.test', 'CNAME', 'validation.example.org.'),
      set('away.example.test', 'CNAME', 'elsewhere.invalid.'),
      set('loop.example.test', 'CNAME', 'loop.example.test.'),
      set('big.example.test', 'TXT', ...Array.from({ length: 20 }, (_, n) => `"${String(n).repeat(100)}"`)),
      set('_acme-challenge.sub.example.test', 'TXT', '"of the parent"'),
    ],
  });
  createZone({ name: 'example.test', isPrivate: true, records: [set('p.example.test', 'TXT', '"private"')] });
  createZone({ name: 'example.test', records: [set('t.example.test', 'TXT', '"twin"')] });
  createZone({ name: 'example.org', records: [set('validation.example.org', 'TXT', '"target"')] });
  createZone({ name: 'child.example.test', records: [set('t.child.example.test', 'TXT', '"child"')] });
  createZone({
    name: 'orphan.example.test',
    isDelegated: false,
    records: [set('t.orphan.example.test', 'TXT', '"x"')],
  });
  const resolver = resolverOf(aws);

  for (const [name, type, expected] of [
    ['a.example.test', 'A', '["127.0.0.7"]'],
    ['A.Example.TEST', 'A', '["127.0.0.7"]'],
    ['a.example.test', 'AAAA', 'ENODATA'],
    ['a.example.test', 'CAA', 'ENODATA'],
    ['y.example.test', 'TXT', 'ENODATA'],
    ['x.y.example.test', 'TXT', '[["one ","string"],["qu\\"oted"]]'],
    ['none.example.test', 'TXT', 'ENOTFOUND'],
    ['b.a.wild.example.test', 'TXT', '[["synthesized"]]'],
    ['there.wild.example.test', 'TXT', 'ENODATA'],
    ['below.there.wild.example.test', 'TXT', 'ENOTFOUND'],
    ['alias.example.test', 'TXT', '[["target"]]'],
    ['alias.example.test', 'CNAME', '["validation.example.org"]'],
    ['away.example.test', 'CNAME', '["elsewhere.invalid"]'],
    ['loop.example.test', 'CNAME', '["loop.example.test"]'],
    ['p.example.test', 'TXT', 'ENOTFOUND'],
    ['t.example.test', 'TXT', 'ENOTFOUND'],
    ['t.child.example.test', 'TXT', '[["child"]]'],
    ['t.orphan.example.test', 'TXT', 'ENOTFOUND'],
    ['_acme-challenge.sub.example.test', 'TXT', '[["of the parent"]]'],
    ['example.com', 'TXT', 'EREFUSED'],
  ] as const) {
    await t.test(`${name} ${type}: ${expected}`, async () =>
      assert.equal(await codeOf(resolver.resolve(name, type)), expected),
    );
  }

  await t.test('an answer that is too big for UDP comes by TCP', async () => {
    const strings = await resolver.resolveTxt('big.example.test');

    assert.equal(strings.length, 20);
    const asked = aws.dns.queries.filter(({ name }) => name === 'big.example.test');
    assert.deepEqual(
      asked.map(({ transport, isTruncated, answers }) => [transport, isTruncated, answers]),
      [
        ['udp', true, 0],
        ['tcp', false, 20],
      ],
    );
  });

  await t.test('"no such name" comes with the SOA, and a loop ends', async () => {
    const nothing = await askByTcp(aws, 'none.example.test', 'TXT');
    const loop = await askByTcp(aws, 'loop.example.test', 'TXT');

    assert.equal(nothing.rcode, 'NXDOMAIN');
    assert.deepEqual(
      nothing.authorities?.map(({ type }) => type),
      ['SOA'],
    );
    assert.equal(nothing.flag_aa, true);
    assert.equal(
      loop.answers?.every(({ type }) => type === 'CNAME'),
      true,
    );
  });
});

async function askByTcp(aws: Aws, name: string, type: RecordType) {
  const [host, port] = aws.dns.address.split(':');
  const socket = connect({ host: host as string, port: Number(port) });
  socket.write(packet.streamEncode({ type: 'query', id: 7, questions: [{ name, type }] }));
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return packet.streamDecode(chunk) as packet.DecodedPacket & { rcode: string };
}

test('a record is answered when its change is INSYNC, not before', async (t) => {
  const clock = standingClock();
  const aws = await startBench(t, { now: clock.now });
  const HostedZoneId = aws.route53.createZone({ name: 'example.test' });
  const resolver = resolverOf(aws);
  const client = route53Of(aws);
  const ResourceRecordSet = {
    ...{ Name: 'a.example.test', Type: 'TXT' as const, TTL: 60 },
    ResourceRecords: [{ Value: '"a"' }],
  };
  const Changes = [{ Action: 'CREATE' as const, ResourceRecordSet }];

  const { ChangeInfo } = await client.send(
    new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }),
  );

  assert.equal(await codeOf(resolver.resolveTxt('a.example.test')), 'ENOTFOUND');
  clock.advance(150);
  assert.equal(
    (await client.send(new GetChangeCommand({ Id: ChangeInfo?.Id }))).ChangeInfo?.Status,
    'INSYNC',
  );
  assert.equal(await codeOf(resolver.resolveTxt('a.example.test')), '[["a"]]');
});

test('Pebble issues by dns-01, for a name and its wildcard through a CNAME into another zone', async (t) => {
  const aws = await startBench(t, { route53: { insyncAfterMs: 0 } });
  const HostedZoneId = aws.route53.createZone({ name: 'validation.test' });
  const alias = set('_acme-challenge.example.test', 'CNAME', 'example-test.validation.test');
  aws.route53.createZone({ name: 'example.test', records: [alias] });
  const pebble = await startPebble({ dnsServer: aws.dns.address });
  t.after(pebble.stop);
  const client = route53Of(aws);
  const values: string[] = [];

  const chain = await issueByDns(pebble, ['example.test', '*.example.test'], async ({ value }) => {
    values.push(`"${value}"`);
    const ResourceRecords = values.map((Value) => ({ Value }));
    const ResourceRecordSet = {
      Name: 'example-test.validation.test',
      Type: 'TXT' as const,
      TTL: 60,
      ResourceRecords,
    };
    const Changes = [{ Action: 'UPSERT' as const, ResourceRecordSet }];
    await client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }));
  });

  assert.ok(chain.length > 1);
  const asked = aws.dns.queries.filter(
    ({ name, type }) => name === '_acme-challenge.example.test' && type === 'TXT',
  );
  assert.ok(
    asked.some(({ answers }) => answers === 3),
    'the CNAME and both values',
  );
});
