// Which operation of Route 53 a request is, and what permission it needs.
import {
  type Answer,
  AwsFailure,
  type AwsRequest,
  type Caller,
  type Check,
  type Operation,
} from '../wire.ts';
import { fromXml } from '../xml.ts';
import { applyBatch, type ChangeBatch, readBatch } from './changes.ts';
import {
  changeXml,
  document,
  listHostedZones,
  listHostedZonesByName,
  listRecordSets,
  zoneDetail,
  zoneXml,
} from './lists.ts';
import { conditionName } from './names.ts';
import type { Zone, Zones } from './zones.ts';

export interface Route53Ground {
  zones: Zones;
  now: () => Date;
  admit: (accountId: string) => void;
}

export function readRoute53(
  { zones, now, admit }: Route53Ground,
  request: AwsRequest,
  caller: Caller,
): Operation {
  const { query } = request;
  const operation = (name: string, subject: string, check: Check, run: () => Answer): Operation => ({
    ...{ name, subject, checks: [check], run },
    admit: () => admit(caller.accountId),
  });
  const onAll = (name: string, run: (own: Zone[]) => Answer) =>
    operation(name, '', { action: `route53:${name}`, resource: '*', context: {} }, () =>
      run(zones.all().filter(({ accountId }) => accountId === caller.accountId)),
    );
  const onZone = (name: string, id: string, run: (zone: Zone) => Answer, context = {}) =>
    operation(
      name,
      id,
      { action: `route53:${name}`, resource: `arn:aws:route53:::hostedzone/${id}`, context },
      () => run(ownZone(zones, id, caller)),
    );
  const [, kind = '', id = '', part = ''] = request.path.replace(/\/$/, '').slice(1).split('/');
  switch (`${request.method} ${kind}${id && '/Id'}${part && `/${part}`}`) {
    case 'GET hostedzonesbyname':
      return onAll('ListHostedZonesByName', (own) => listHostedZonesByName(own, query));
    case 'GET hostedzone':
      return onAll('ListHostedZones', (own) => listHostedZones(own, query));
    case 'POST hostedzone':
      return onAll('CreateHostedZone', (own) => makeZone({ zones, now, caller }, request, own));
    case 'GET hostedzone/Id':
      return onZone('GetHostedZone', id, (zone) =>
        document('GetHostedZoneResponse', { HostedZone: zoneXml(zone), ...zoneDetail(zone) }),
      );
    case 'GET hostedzone/Id/rrset':
      return onZone('ListResourceRecordSets', id, (zone) => listRecordSets(zone, query));
    case 'POST hostedzone/Id/rrset': {
      const batch = readBatch(request.body.toString());
      const change = (zone: Zone) => {
        const made = zones.publish(zone, applyBatch(zone, batch), batch.comment);
        return document('ChangeResourceRecordSetsResponse', changeXml(made, now()));
      };
      return onZone('ChangeResourceRecordSets', id, change, changeContext(batch));
    }
    case 'GET change/Id': {
      const check = { action: 'route53:GetChange', resource: `arn:aws:route53:::change/${id}`, context: {} };
      return operation('GetChange', id, check, () => getChange({ zones, now, caller }, id));
    }
    default:
      throw new AwsFailure(501, 'NotImplemented', `the stand-in knows no ${request.method} ${request.path}`);
  }
}

function ownZone(zones: Zones, id: string, caller: Caller): Zone {
  const zone = zones.find(id);
  if (zone.accountId === caller.accountId) return zone;
  throw new AwsFailure(403, 'AccessDenied', `User: ${caller.arn} is not authorized to access this resource`);
}

interface Asked {
  zones: Zones;
  now: () => Date;
  caller: Caller;
}

function getChange({ zones, now, caller }: Asked, id: string): Answer {
  const change = zones.change(id);
  if (change?.accountId !== caller.accountId) {
    throw new AwsFailure(404, 'NoSuchChange', `Could not find resource with ID: ${id}`);
  }
  return document('GetChangeResponse', changeXml(change, now()));
}

const changeContext = ({ changes }: ChangeBatch): Check['context'] => {
  const key = (name: string) => `route53:ChangeResourceRecordSets${name}`;
  const each = (of: (change: ChangeBatch['changes'][number]) => string) => [...new Set(changes.map(of))];
  return {
    [key('NormalizedRecordNames')]: each(({ set }) => conditionName(set.name)),
    [key('RecordTypes')]: each(({ set }) => set.type),
    [key('Actions')]: each(({ action }) => action),
  };
};

interface XmlZone {
  CreateHostedZoneRequest?: {
    Name?: string;
    CallerReference?: string;
    VPC?: object;
    HostedZoneConfig?: { Comment?: string };
  };
}

function makeZone({ zones, now, caller }: Asked, { body }: AwsRequest, own: readonly Zone[]): Answer {
  const input = (fromXml(body.toString()) as XmlZone).CreateHostedZoneRequest;
  const { Name: name = '', CallerReference: callerReference = '', VPC, HostedZoneConfig } = input ?? {};
  if (own.some((zone) => zone.callerReference === callerReference)) {
    throw new AwsFailure(
      409,
      'HostedZoneAlreadyExists',
      `A hosted zone has already been created with the specified caller reference.`,
    );
  }
  const comment = HostedZoneConfig?.Comment;
  const { zone, change } = zones.create({
    ...{ name, callerReference, accountId: caller.accountId, isPrivate: VPC !== undefined },
    ...(comment === undefined ? {} : { comment }),
  });
  const fields = { HostedZone: zoneXml(zone), ...changeXml(change, now()), ...zoneDetail(zone) };
  const answer = document('CreateHostedZoneResponse', fields, 201);
  return { ...answer, headers: { ...answer.headers, location: `/2013-04-01/hostedzone/${zone.id}` } };
}
