// Command documents of SSM: kept as they were written, read as schema 2.2.
import { parse } from 'yaml';
import { AwsFailure } from '../wire.ts';

export interface DocumentParameter {
  type: string;
  description?: string;
  default?: string | string[];
  allowedValues?: string[];
  allowedPattern?: string;
  minChars?: number;
  maxChars?: number;
  interpolationType?: string;
}

export interface DocumentStep {
  action: string;
  name: string;
  inputs?: { runCommand?: string | string[]; timeoutSeconds?: string; workingDirectory?: string };
}

export interface SsmDocument {
  name: string;
  /** as it was written */
  content: string;
  format: 'JSON' | 'YAML';
  createdAt: Date;
  parameters: Record<string, DocumentParameter>;
  steps: readonly DocumentStep[];
}

const parameterTypes = ['String', 'StringList', 'Boolean', 'Integer', 'StringMap', 'MapList'];

export function readDocument(name: string, content: string, format: string, createdAt: Date): SsmDocument {
  if (!/^[a-zA-Z0-9_\-.]{3,128}$/.test(name)) {
    throw new AwsFailure(
      400,
      'ValidationException',
      `Value '${name}' at 'name' failed to satisfy constraint`,
    );
  }
  if (format !== 'JSON' && format !== 'YAML') throw invalidContent(`unknown format ${format}`);
  const document = parseContent(content, format);
  if (document.schemaVersion !== '2.2') {
    throw new AwsFailure(400, 'InvalidDocumentSchemaVersion', 'the stand-in knows schema version 2.2 only');
  }
  const { parameters = {}, mainSteps = [] } = document;
  for (const [key, { type }] of Object.entries(parameters)) {
    if (!/^[A-Za-z0-9]+$/.test(key)) throw invalidContent(`parameter name ${key} is not alphanumeric`);
    if (!parameterTypes.includes(type)) throw invalidContent(`parameter ${key} has the type ${type}`);
  }
  if (mainSteps.length === 0) throw invalidContent('there are no mainSteps');
  if (new Set(mainSteps.map((step) => step.name)).size < mainSteps.length) {
    throw invalidContent('the names of mainSteps are not unique');
  }
  for (const { action, inputs } of mainSteps) {
    if (action !== 'aws:runShellScript') throw invalidContent(`the stand-in does not run ${action}`);
    if (inputs?.runCommand === undefined) throw invalidContent('runCommand is required');
  }
  return { name, content, format, createdAt, parameters, steps: mainSteps };
}

interface Written {
  schemaVersion?: string;
  parameters?: Record<string, DocumentParameter>;
  mainSteps?: DocumentStep[];
}

function parseContent(content: string, format: 'JSON' | 'YAML'): Written {
  try {
    return (format === 'JSON' ? JSON.parse(content) : parse(content)) as Written;
  } catch (error) {
    throw invalidContent(`${format} is not well formed: ${(error as Error).message}`);
  }
}

const invalidContent = (message: string) => new AwsFailure(400, 'InvalidDocumentContent', message);

/** What the agent knows without being told. */
export const runShellScript = readDocument(
  'AWS-RunShellScript',
  JSON.stringify({
    schemaVersion: '2.2',
    parameters: {
      commands: { type: 'StringList' },
      workingDirectory: { type: 'String', default: '' },
      executionTimeout: { type: 'String', default: '3600', allowedPattern: '^[1-9][0-9]*$' },
    },
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: 'aws_runShellScript',
        inputs: {
          runCommand: '{{ commands }}',
          workingDirectory: '{{ workingDirectory }}',
          timeoutSeconds: '{{ executionTimeout }}',
        },
      },
    ],
  }),
  'JSON',
  new Date(0),
);

/** The values of all parameters: those given, checked by the document, and its defaults. */
export function resolveParameters(
  { parameters }: SsmDocument,
  given: Record<string, string[]> = {},
): Record<string, string[]> {
  const refuse = (message: string) => new AwsFailure(400, 'InvalidParameters', message);
  const unknown = Object.keys(given).find((name) => !(name in parameters));
  if (unknown !== undefined) throw refuse(`Parameter ${unknown} is not defined in the document.`);
  const entries = Object.entries(parameters).map(([name, parameter]) => {
    const values = given[name] ?? (parameter.default === undefined ? undefined : [parameter.default].flat());
    if (values === undefined) throw refuse(`Parameter ${name} requires a value.`);
    const fault = parameterFault(parameter, values);
    if (fault) throw refuse(`Parameter ${name} ${fault}.`);
    return [name, values];
  });
  return Object.fromEntries(entries);
}

/** The pattern is searched for, not matched whole: a document that forgets its anchors must not be safe by us. */
function parameterFault(parameter: DocumentParameter, values: readonly string[]): string | undefined {
  const {
    type,
    allowedValues,
    allowedPattern,
    minChars = 0,
    maxChars = Number.POSITIVE_INFINITY,
  } = parameter;
  if (type !== 'StringList' && values.length !== 1) return 'takes one value';
  for (const value of values) {
    if (type === 'Integer' && !/^-?\d+$/.test(value)) return 'is no integer';
    if (type === 'Boolean' && !/^(true|false)$/.test(value)) return 'is neither true nor false';
    if (allowedValues && !allowedValues.includes(value)) return 'is none of allowedValues';
    if (allowedPattern !== undefined && !new RegExp(allowedPattern).test(value)) {
      return `does not match allowedPattern ${allowedPattern}`;
    }
    if (value.length < minChars || value.length > maxChars) return 'is too short or too long';
  }
  return undefined;
}
