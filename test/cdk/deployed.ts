/** A template as CloudFormation would deploy it: names are invented, intrinsic functions become values. */
import type { Synthesized } from './support.ts';

export const ACCOUNT = '111111111111';
export const REGION = 'eu-central-1';

type Resource = { Type: string; Properties: Record<string, unknown> };
type Intrinsic = Record<string, unknown>;

export interface PolicyDocument {
  Version: string;
  Statement: { Sid?: string; Action: string | string[]; Resource: string | string[] }[];
}

export interface Deployed {
  /** `Ref` and `Fn::GetAtt` of a resource, by its logical id without the digits at its end. */
  name(id: string): string;
  arn(id: string): string;
  /** Properties with all functions resolved. */
  properties(id: string): Record<string, unknown>;
  /** Of a role. */
  policiesOf(role: string): PolicyDocument[];
}

export function deployed({ template }: Pick<Synthesized, 'template'>): Deployed {
  const resources = template.toJSON()['Resources'] as Record<string, Resource>;
  const idOf = (prefix: string) => {
    const ids = Object.keys(resources).filter((id) => id.replace(/[0-9A-F]{8}$/, '') === prefix);
    if (ids.length !== 1) throw new TypeError(`${ids.length} resources are ${prefix}`);
    return String(ids[0]);
  };
  const resolved = (value: unknown) => resolve(value, resources);
  return {
    name: (prefix) => physicalName(idOf(prefix)),
    arn: (prefix) => arnOf(idOf(prefix), resources),
    properties: (prefix) => resolved(resources[idOf(prefix)]?.Properties) as Record<string, unknown>,
    policiesOf: (prefix) => {
      const role = idOf(prefix);
      const policies = Object.values(resources).filter(
        ({ Type, Properties }) =>
          Type === 'AWS::IAM::Policy' && JSON.stringify(Properties['Roles']).includes(`"${role}"`),
      );
      return policies.map(({ Properties }) => resolved(Properties['PolicyDocument']) as PolicyDocument);
    },
  };
}

const physicalName = (id: string) => id.toLowerCase();

const ARNS: Readonly<Record<string, (name: string) => string>> = {
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::KMS::Key': (name) => `arn:aws:kms:${REGION}:${ACCOUNT}:key/${name}`,
  'AWS::SQS::Queue': (name) => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`,
  'AWS::Logs::LogGroup': (name) => `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${name}:*`,
  'AWS::Lambda::Function': (name) => `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${name}`,
  'AWS::IAM::Role': (name) => `arn:aws:iam::${ACCOUNT}:role/${name}`,
};

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

function arnOf(id: string, resources: Record<string, Resource>): string {
  const { Type = '' } = resources[id] ?? {};
  const make = ARNS[Type];
  if (make === undefined) throw new TypeError(`no ARN is known for ${Type} ${id}`);
  return make(physicalName(id));
}

function resolve(value: unknown, resources: Record<string, Resource>): unknown {
  const inner = (part: unknown) => resolve(part, resources);
  if (Array.isArray(value)) return value.map(inner);
  if (typeof value !== 'object' || value === null) return value;
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join, 'Fn::Sub': sub } = value as Intrinsic;
  if (typeof Ref === 'string') return PSEUDO[Ref] ?? physicalName(Ref);
  if (Array.isArray(attribute)) return arnOf(attribute[0], resources);
  if (Array.isArray(join)) return (join[1] as unknown[]).map(inner).join(join[0]);
  if (typeof sub === 'string') return sub.replace(/\$\{([^}]+)\}/g, (_, name) => PSEUDO[name] ?? name);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inner(part)]));
}
