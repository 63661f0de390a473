/** The rights of a template's roles that a run used: each action on each resource of a statement counts by itself. */
import type { Call } from '../aws/aws.ts';
import type { Deployed } from './deployed.ts';

export interface Rights {
  /** `IssuerRole s3:GetObject bucket/issuer/*` */
  allowed: ReadonlySet<string>;
  used: ReadonlySet<string>;
}

/** @param calls made while this template was deployed */
export function rightsOf(template: Deployed, calls: readonly Call[]): Rights {
  const allowed = new Set<string>();
  const used = new Set<string>();
  for (const id of template.all('AWS::IAM::Role')) {
    const role = template.name(id);
    const granted = calls
      .filter(({ principal }) => principal?.includes(`:assumed-role/${role}/`))
      .flatMap(({ checks }) => checks.filter(({ decision }) => decision === 'allowed'));
    for (const [action, resource] of template.policiesOf(id).flatMap(grantsOf)) {
      const right = `${plain(id)} ${action} ${plain(resource.split(':').slice(5).join(':') || resource)}`;
      allowed.add(right);
      const pattern = patternOf(resource);
      if (granted.some((check) => check.action === action && pattern.test(check.resource))) used.add(right);
    }
  }
  return { allowed, used };
}

export function together(all: readonly Rights[]): Rights {
  const union = (sets: ReadonlySet<string>[]) => new Set(sets.flatMap((set) => [...set]));
  return { allowed: union(all.map(({ allowed }) => allowed)), used: union(all.map(({ used }) => used)) };
}

function grantsOf({
  Statement,
}: {
  Statement: { Action: string | string[]; Resource: string | string[] }[];
}) {
  return Statement.flatMap(({ Action, Resource }) =>
    [Action].flat().flatMap((action) => [Resource].flat().map((resource) => [action, resource] as const)),
  );
}

/** Replaces a digest or a zone id by one word, and removes the digits that CDK adds to a name. */
const plain = (text: string) =>
  text
    .replaceAll(/[0-9a-f]{64}/g, '<digest>')
    .replaceAll(/(?<=[A-Za-z])[0-9A-Fa-f]{8}(?![0-9A-Za-z])/g, '')
    .replaceAll(/hostedzone\/Z\w+/g, 'hostedzone/<id>')
    .replaceAll(/^Pemfleet|pemfleet(?=bucket|key|notify|issuer|responder)/g, '');

/** A policy variable matches anything. */
const patternOf = (resource: string) =>
  new RegExp(
    `^${resource
      .replaceAll(/\$\{[^}]*\}/g, '*')
      .replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')}$`,
  );
