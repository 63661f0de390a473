/** The configuration as people write it, apart from config.ts: the Lambda gets JSON and needs no YAML. */
import { ConfigError, type ConfigIssue } from '#common/config-error.ts';
import { explainIssues } from '#common/settings/explain.ts';
import type { JsonSchema } from '#common/settings/schema-keys.ts';
import { parseSettings, type SettingsFile } from '#common/settings/settings-file.ts';
import { type Config, checkConfig, configJsonSchema, type ExplainIssues } from './config.ts';
import { identifierAdvice } from './identifier-advice.ts';
import { ISSUER_WORDS } from './known-words.ts';

/** A bucket that stands in for the one of the file, and what names it: `--bucket`. */
export interface GivenBucket {
  url: string;
  origin: string;
}

const KIND = {
  name: 'pemfleet.yaml',
  environment: 'or, for the bucket, set PEMFLEET_BUCKET',
  mayHoldVariables: () => false,
};

/** @param file name for messages. @throws ConfigError `ERR_CONFIG` with one line per issue, and its place in the file */
export function parseConfig(file: string, text: string, bucket?: GivenBucket): Config {
  const source = parseYaml(file, text);
  const isWhole = isObject(source.value);
  if (bucket !== undefined && isWhole) Object.assign(source.value as object, { bucket: bucket.url });
  return checkConfig(file, source.value, explainerOf(source, bucket));
}

/** @throws ConfigError `ERR_CONFIG`, with the place of each fault */
export function parseYaml(file: string, text: string): SettingsFile {
  return parseSettings(file, text, KIND);
}

/** Says where in the file each issue is, and what to do. */
export function explainerOf(source: SettingsFile, bucket?: GivenBucket): ExplainIssues {
  return (issues) => {
    refuseOtherFile(source);
    return explainIssues(source, issues.map(withAdvice), {
      schema: configJsonSchema() as JsonSchema,
      words: ISSUER_WORDS,
      secrets: ['externalAccountBinding', 'webhook'],
      originOf: ([first]) => (first === 'bucket' ? bucket?.origin : undefined),
    });
  };
}

/** A name is quoted in its message: what it is instead says more than that it is none. */
function withAdvice(issue: ConfigIssue): ConfigIssue {
  const [, quoted] = /^("(?:[^"\\]|\\.)*") (?:is no|has a \*)/.exec(issue.message) ?? [];
  if (quoted === undefined || issue.path.at(-2) !== 'identifiers') return issue;
  const advice = identifierAdvice(JSON.parse(quoted));
  return advice === undefined ? issue : { ...issue, message: `${quoted} ${advice}` };
}

/** One message in place of one for each key. */
function refuseOtherFile({ file, value }: SettingsFile): void {
  if (!isObject(value)) return;
  const says = otherFile(value);
  if (says !== undefined) throw new ConfigError('ERR_CONFIG', `${file}: ${says}`);
}

function otherFile(value: object): string | undefined {
  if ('acme' in value || 'certificates' in value) return undefined;
  if ('fleet' in value || 'haproxy' in value) {
    return 'these are settings of the agent (agent.yaml); pemfleet reads pemfleet.yaml, by default /etc/pemfleet/pemfleet.yaml';
  }
  if ('apiVersion' in value && 'kind' in value) {
    return 'this is an object of Kubernetes; wanted pemfleet.yaml: is it the right file?';
  }
  return undefined;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
