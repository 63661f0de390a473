// EventBridge: PutEvents to a bus, its own account's or another's; `sent` has what rules would get.
import { AwsFailure, type AwsRequest, type Check, type Operation, type Service } from './wire.ts';

export interface SentEvent {
  /** ARN of the bus */
  bus: string;
  source: string;
  detailType: string;
  resources: string[];
  detail: Record<string, unknown>;
}

export interface Events {
  service: Service;
  /** newest last */
  sent: SentEvent[];
}

interface Entry {
  Source?: string;
  DetailType?: string;
  Detail?: string;
  EventBusName?: string;
  Resources?: string[];
  Time?: number;
}

/** Amazon EventBridge User Guide, "Calculating PutEvents event entry size"; API Reference, "PutEvents". */
const [MAX_BYTES, MAX_ENTRIES] = [262_144, 10];

export function createEvents(place: { region: string; accountId: string }): Events {
  const sent: SentEvent[] = [];
  return { sent, service: { protocol: 'json', read: (request) => readPut(place, sent, request) } };
}

function readPut(
  { region, accountId }: { region: string; accountId: string },
  sent: SentEvent[],
  { headers, body }: AwsRequest,
): Operation {
  const target = headers['x-amz-target'] ?? '';
  if (target !== 'AWSEvents.PutEvents' || headers['content-type'] !== 'application/x-amz-json-1.1') {
    throw new AwsFailure(400, 'UnknownOperationException', `the stand-in knows no ${target}`);
  }
  const { Entries = [] } = JSON.parse(body.toString()) as { Entries?: Entry[] };
  const busOf = ({ EventBusName = 'default' }: Entry) =>
    EventBusName.startsWith('arn:')
      ? EventBusName
      : `arn:aws:events:${region}:${accountId}:event-bus/${EventBusName}`;
  const checks = Entries.map(
    (entry): Check => ({
      ...{ action: 'events:PutEvents', resource: busOf(entry) },
      context: { 'events:source': entry.Source ?? '', 'events:detail-type': entry.DetailType ?? '' },
    }),
  );
  const run = () => {
    const bytes = Entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
    if (Entries.length === 0 || Entries.length > MAX_ENTRIES || bytes > MAX_BYTES) {
      const saw = `${Entries.length} entries of ${bytes} bytes`;
      throw new AwsFailure(400, 'ValidationException', `between 1 and ${MAX_ENTRIES} entries: saw ${saw}`);
    }
    const results = Entries.map((entry) => {
      const ErrorCode = faultOf(entry);
      if (ErrorCode !== undefined) return { ErrorCode, ErrorMessage: ErrorCode };
      const { Source: source = '', DetailType: detailType = '', Resources: resources = [] } = entry;
      const detail = JSON.parse(entry.Detail ?? '') as Record<string, unknown>;
      sent.push({ bus: busOf(entry), source, detailType, resources, detail });
      return { EventId: `${sent.length}` };
    });
    const FailedEntryCount = results.filter((one) => 'ErrorCode' in one).length;
    return {
      ...{ status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' } },
      body: JSON.stringify({ FailedEntryCount, Entries: results }),
    };
  };
  return { name: 'PutEvents', subject: busOf(Entries[0] ?? {}), checks, run };
}

function sizeOf({ Source = '', DetailType = '', Detail = '', Resources = [], Time }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14);
}

function faultOf({ Source = '', DetailType = '', Detail = '' }: Entry): string | undefined {
  if (Source.startsWith('aws.')) return 'NotAuthorizedForSource';
  if (Source === '' || DetailType === '' || DetailType.length > 128) return 'InvalidArgument';
  try {
    const detail: unknown = JSON.parse(Detail);
    return typeof detail === 'object' && detail !== null && !Array.isArray(detail)
      ? undefined
      : 'MalformedDetail';
  } catch {
    return 'MalformedDetail';
  }
}
