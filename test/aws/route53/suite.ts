/** The well-formed half of Route 53: asked of the stand-in and of moto, so that they agree. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  CreateHostedZoneCommand,
  GetChangeCommand,
  ListHostedZonesByNameCommand,
  ListResourceRecordSetsCommand,
  type Route53Client,
} from '@aws-sdk/client-route-53';

type Open = (t: TestContext) => Route53Client | Promise<Route53Client>;

const txt = (Action: Change['Action'], Name: string, TTL: number, values: string[]): Change => ({
  Action,
  ResourceRecordSet: { Name, Type: 'TXT', TTL, ResourceRecords: values.map((Value) => ({ Value })) },
});

/** @param open a client of the Route 53 in question */
export function route53Suite(open: Open): void {
  test('a TXT set is created, replaced, listed and deleted; its changes become INSYNC', async (t) => {
    const client = await open(t);
    const create = new CreateHostedZoneCommand({ Name: 'example.test', CallerReference: randomUUID() });
    const HostedZoneId = (await client.send(create)).HostedZone?.Id?.replace('/hostedzone/', '');
    const change = async (...Changes: Change[]) => {
      const batch = { HostedZoneId, ChangeBatch: { Changes } };
      return (await client.send(new ChangeResourceRecordSetsCommand(batch))).ChangeInfo?.Id;
    };
    const name = '_acme-challenge.example.test';
    const values = async () => {
      const from = { StartRecordName: name, StartRecordType: 'TXT', MaxItems: 1 } as const;
      const { ResourceRecordSets = [] } = await client.send(
        new ListResourceRecordSetsCommand({ HostedZoneId, ...from }),
      );
      const [found] = ResourceRecordSets.filter(({ Type }) => Type === 'TXT');
      return found && `${found.Name} ${found.TTL} ${found.ResourceRecords?.map(({ Value }) => Value)}`;
    };

    const named = await client.send(
      new ListHostedZonesByNameCommand({ DNSName: 'example.test', MaxItems: 1 }),
    );
    assert.equal(named.HostedZones?.[0]?.Name, 'example.test.');
    await change(txt('CREATE', name, 60, ['"a"']));
    const Id = await change(txt('UPSERT', name, 30, ['"b"', '"c d"']));

    assert.equal(await values(), '_acme-challenge.example.test. 30 "b","c d"');
    await sleep(200);
    assert.equal((await client.send(new GetChangeCommand({ Id }))).ChangeInfo?.Status, 'INSYNC');
    await change(txt('DELETE', name, 30, ['"b"', '"c d"']));
    assert.equal(await values(), undefined);
  });
}
