// Parameter Store: strings of the standard tier, the newest version only.
import { type Answer, AwsFailure } from '../wire.ts';
import { json } from './shapes.ts';

/** by name */
export type Parameters = Map<string, string>;

export interface ParameterInput {
  Name?: string;
  Value?: string;
  Type?: string;
  Overwrite?: boolean;
}

interface Place {
  region: string;
  accountId: string;
}

/** A name with a slash in front has none in its ARN. */
export function parameterArn({ region, accountId }: Place, name: string): string {
  if (name.startsWith('arn:')) return name;
  return `arn:aws:ssm:${region}:${accountId}:parameter/${name.replace(/^\//, '')}`;
}

export function putParameter(
  parameters: Parameters,
  { Name = '', Value = '', Type, Overwrite }: ParameterInput,
): Answer {
  if (!/^(\/[A-Za-z0-9_.-]+)+$|^[A-Za-z0-9_.-]+$/.test(Name) || Name.length > 1011) {
    throw new AwsFailure(400, 'ValidationException', 'Parameter name is not valid');
  }
  if (Type !== 'String')
    throw new AwsFailure(400, 'UnsupportedParameterType', 'the stand-in keeps strings only');
  if (Value === '' || Value.length > 4096) {
    throw new AwsFailure(
      400,
      'ValidationException',
      'Standard tier parameters support a maximum of 4096 characters.',
    );
  }
  if (parameters.has(Name) && Overwrite !== true) {
    throw new AwsFailure(400, 'ParameterAlreadyExists', 'The parameter already exists.');
  }
  parameters.set(Name, Value);
  return json({ Tier: 'Standard', Version: 1 });
}

/** By name, or by the ARN of one in this account and region. */
export function getParameter(
  { parameters, ...place }: Place & { parameters: Parameters },
  { Name = '' }: ParameterInput,
): Answer {
  const [name = ''] = [...parameters.keys()].filter(
    (key) => key === Name || parameterArn(place, key) === Name,
  );
  const Value = parameters.get(name);
  if (Value === undefined) throw new AwsFailure(400, 'ParameterNotFound', '');
  return json({
    Parameter: { Name: name, Type: 'String', Value, Version: 1, ARN: parameterArn(place, name) },
  });
}
