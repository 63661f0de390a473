// Changes of records, in the words of tests.
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  type Route53Client,
  type RRType,
} from '@aws-sdk/client-route-53';

export const fast = { route53: { requestsPerSecond: 1000 } };
export const records = (...values: string[]) => values.map((Value) => ({ Value }));
export const txt = (
  Action: Change['Action'],
  Name: string,
  values: string[],
  TTL: number | undefined = 60,
): Change => ({
  Action,
  ResourceRecordSet: { Name, Type: 'TXT', TTL, ResourceRecords: records(...values) },
});
export const other = (Action: Change['Action'], Name: string, Type: RRType, value: string): Change => ({
  Action,
  ResourceRecordSet: { Name, Type, TTL: 60, ResourceRecords: records(value) },
});
export const change = (client: Route53Client, HostedZoneId: string, ...Changes: Change[]) =>
  client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }));
