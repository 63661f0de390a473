/** pemfleet.yaml at synth: checked by the schema that the issuer itself uses, and for what a deployment on AWS cannot do. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import type { AcmeSettings } from '../../lambda/config/acme.ts';
import { type Config, checkConfig } from '../../lambda/config/config.ts';
import { readYaml } from '../../lambda/config/yaml.ts';
import type { PemfleetConfig } from './props.ts';

/** The schema wants a bucket; the issuer's environment says which. */
const BUCKET_OF_THE_STACK = 's3://bucket-of-the-stack';

/** @throws ConfigError with the path of each culprit */
export function readPemfleetConfig(file: string): PemfleetConfig {
  return pemfleetConfigOf(readYaml(file, readText(file)), file);
}

/**
 * The same for a document that a program has made.
 * @param file where it is thought to lie: for messages, and for its relative paths
 * @throws ConfigError with the path of each culprit
 */
export function pemfleetConfigOf(document: unknown, file = 'pemfleet.yaml'): PemfleetConfig {
  const named = isObject(document) ? document['bucket'] : undefined;
  const whole = isObject(document) ? { ...document, bucket: named ?? BUCKET_OF_THE_STACK } : document;
  const config = checkConfig(file, whole);
  const problems = [bucketProblem(named), wakeProblem(config), ...caFileProblems(config, file)].filter(
    (problem) => problem !== undefined,
  );
  if (problems.length > 0)
    throw new ConfigError(
      'ERR_CONFIG',
      `${file} was refused:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
  return deployed(config, file);
}

/** The HMAC key of an external account binding is a secret: it stays here, see docs/deploy.md. */
function deployed(config: Config, file: string): PemfleetConfig {
  const caFiles: Record<string, string> = {};
  const withoutSecrets = (acme: AcmeSettings, index: number): AcmeSettings => {
    const { externalAccountBinding: _, caFile, ...rest } = acme;
    if (caFile === undefined) return rest;
    const name = `ca-${index}.pem`;
    caFiles[name] = pathOf(file, caFile);
    return { ...rest, caFile: name };
  };
  const [acme = config.acme, ...fallback] = [config.acme, ...config.fallback].map(withoutSecrets);
  const bucketName = config.bucket === BUCKET_OF_THE_STACK ? undefined : config.bucket.slice('s3://'.length);
  return { config: { ...config, acme, fallback }, bucketName, caFiles };
}

function bucketProblem(bucket: unknown): string | undefined {
  if (bucket === undefined || /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(String(bucket)))
    return undefined;
  return `bucket: the stack makes the bucket: leave the key out, or give it a name as s3://<name>; saw ${bucket}`;
}

/** Fewer passes could miss the end of a renewal window, more of them cost and bring nothing. */
function wakeProblem({ wakeMinutes }: Config): string | undefined {
  if (wakeMinutes >= 15 && wakeMinutes <= 60) return undefined;
  return `wakeMinutes: on a schedule of AWS it must be 15 to 60, saw ${wakeMinutes}`;
}

function caFileProblems({ acme, fallback }: Config, file: string): string[] {
  return [acme, ...fallback].flatMap(({ caFile }, index) => {
    if (caFile === undefined || existsSync(pathOf(file, caFile))) return [];
    const path = index === 0 ? 'acme.caFile' : `fallback[${index - 1}].caFile`;
    return [`${path}: there is no file ${pathOf(file, caFile)}; it is shipped with the issuer`];
  });
}

function pathOf(file: string, path: string): string {
  return resolve(dirname(file), path);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      'ERR_CONFIG',
      `no configuration at ${file} (${code}): write one, or name it with -c config=FILE`,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
