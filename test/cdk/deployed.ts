/** A template as CloudFormation would deploy it: names are generated, intrinsic functions become values. */
import type { Synthesized } from './stacks.ts';

export const ACCOUNT = '111111111111';
export const REGION = 'eu-central-1';

type Resource = { Type: string; Properties: Record<string, unknown> };
type Intrinsic = Record<string, unknown>;

export interface PolicyDocument {
  Version: string;
  Statement: { Sid?: string; Effect: string; Action: string | string[]; Resource: string | string[] }[];
}

export interface Deployed {
  /** `Ref` and `Fn::GetAtt` of a resource, by its logical id, with or without the digits at its end. */
  name(id: string): string;
  arn(id: string): string;
  /** Properties with all functions resolved. */
  properties(id: string): Record<string, unknown>;
  /** The policies of a role, by its logical id. */
  policiesOf(role: string): PolicyDocument[];
  /** Logical ids. */
  all(type: string): string[];
  /** The value of a resolved token of the app: `stack.resolve(…)`. */
  value(token: unknown): unknown;
}

interface Place {
  resources: Record<string, Resource>;
  account: string;
}

export function deployed({ template }: Pick<Synthesized, 'template'>, account = ACCOUNT): Deployed {
  const resources = template.toJSON()['Resources'] as Record<string, Resource>;
  const place = { resources, account };
  const idOf = (prefix: string) => {
    const ids = Object.keys(resources).filter(
      (id) => id === prefix || id.replace(/[0-9A-F]{8}$/, '') === prefix,
    );
    if (ids.length !== 1) throw new TypeError(`${ids.length} resources are ${prefix}`);
    return String(ids[0]);
  };
  const resolved = (value: unknown) => resolve(value, place);
  return {
    name: (prefix) => physicalName(idOf(prefix), place),
    arn: (prefix) => arnOf(idOf(prefix), place),
    properties: (prefix) => resolved(resources[idOf(prefix)]?.Properties) as Record<string, unknown>,
    policiesOf: (prefix) => {
      const role = idOf(prefix);
      const policies = Object.values(resources).filter(
        ({ Type, Properties }) =>
          Type === 'AWS::IAM::Policy' && JSON.stringify(Properties['Roles']).includes(`"${role}"`),
      );
      return policies.map(({ Properties }) => resolved(Properties['PolicyDocument']) as PolicyDocument);
    },
    all: (type) => Object.keys(resources).filter((id) => resources[id]?.Type === type),
    value: resolved,
  };
}

/** CloudFormation generates the name, except for a role with a fixed one. */
function physicalName(id: string, { resources }: Place): string {
  const named = resources[id]?.Properties?.['RoleName'];
  return typeof named === 'string' ? named : id.toLowerCase();
}

/** A topic is referred to by its ARN, and an alias by that of its function with its name. */
function referred(id: string, place: Place): string {
  const { Type, Properties } = place.resources[id] ?? {};
  if (Type === 'AWS::Lambda::Alias') {
    const name = String(resolve(Properties?.['FunctionName'], place));
    return `${ARNS['AWS::Lambda::Function']?.(name, place.account)}:${Properties?.['Name']}`;
  }
  const isTopic = Type === 'AWS::SNS::Topic';
  return isTopic ? arnOf(id, place) : physicalName(id, place);
}

const ARNS: Readonly<Record<string, (name: string, account: string) => string>> = {
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::KMS::Key': (name, account) => `arn:aws:kms:${REGION}:${account}:key/${name}`,
  'AWS::SQS::Queue': (name, account) => `arn:aws:sqs:${REGION}:${account}:${name}`,
  'AWS::Logs::LogGroup': (name, account) => `arn:aws:logs:${REGION}:${account}:log-group:${name}:*`,
  'AWS::Lambda::Function': (name, account) => `arn:aws:lambda:${REGION}:${account}:function:${name}`,
  'AWS::SNS::Topic': (name, account) => `arn:aws:sns:${REGION}:${account}:${name}`,
  'AWS::IAM::Role': (name, account) => `arn:aws:iam::${account}:role/${name}`,
  // The only attribute of a Function URL that templates use.
  'AWS::Lambda::Url': (name) => `https://${name.slice(-8)}.lambda-url.${REGION}.on.aws/`,
};

function arnOf(id: string, place: Place): string {
  const { Type = '' } = place.resources[id] ?? {};
  const make = ARNS[Type];
  if (make === undefined) throw new TypeError(`no ARN is known for ${Type} ${id}`);
  return make(physicalName(id, place), place.account);
}

function pseudo(name: string, { account }: Place): string | undefined {
  const values: Readonly<Record<string, string>> = {
    'AWS::AccountId': account,
    'AWS::Region': REGION,
    'AWS::Partition': 'aws',
    'AWS::URLSuffix': 'amazonaws.com',
  };
  return values[name];
}

function resolve(value: unknown, place: Place): unknown {
  const inner = (part: unknown) => resolve(part, place);
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join, 'Fn::Sub': sub } = value as Intrinsic;
  const { 'Fn::Select': select, 'Fn::Split': split } = value as Intrinsic;
  if (typeof Ref === 'string') return pseudo(Ref, place) ?? referred(Ref, place);
  if (Array.isArray(attribute)) return arnOf(attribute[0], place);
  if (Array.isArray(join)) return (join[1] as unknown[]).map(inner).join(join[0]);
  if (Array.isArray(select)) return (inner(select[1]) as unknown[])[Number(select[0])];
  if (Array.isArray(split)) return String(inner(split[1])).split(split[0]);
  if (typeof sub === 'string') return sub.replace(/\$\{([^}]+)\}/g, (_, name) => pseudo(name, place) ?? name);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inner(part)]));
}
