/** Checks pemfleet.yaml at synth: by the schema that the issuer itself uses, and against the limits of a deployment on AWS. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '#common/config-error.ts';
import { type AcmeSettings, configuredCas } from '../../lambda/config/acme.ts';
import { type Config, checkConfig, type ExplainIssues, usedChallenges } from '../../lambda/config/config.ts';
import { configuredLives, findWakeProblem, wakeProblemText } from '../../lambda/config/schedule.ts';
import { explainerOf, parseYaml } from '../../lambda/config/yaml.ts';
import type { PemfleetDocument } from './document.ts';

/** Satisfies the schema, which requires a bucket. At run time the environment names the real one. */
const BUCKET_OF_THE_STACK = 's3://bucket-of-the-stack';

/**
 * Reads and checks a pemfleet.yaml.
 * @throws ConfigError with one line for each mistake, which begins with its path
 */
export function readPemfleetConfig(file: string): PemfleetConfig {
  const source = parseYaml(file, readText(file));
  return checked(source.value, file, explainerOf(source));
}

/**
 * Checks a configuration that a program has built, in place of a file.
 * @param file name of the file in error messages; relative paths of the document resolve against its folder
 * @throws ConfigError with one line for each mistake, which names its path
 */
export function pemfleetConfigOf(document: unknown, file = 'pemfleet.yaml'): PemfleetConfig {
  return checked(document, file);
}

/** @param explain default: lines without a place in a file */
function checked(document: unknown, file: string, explain?: ExplainIssues): PemfleetConfig {
  const named = isObject(document) ? document['bucket'] : undefined;
  const whole = isObject(document) ? { ...document, bucket: named ?? BUCKET_OF_THE_STACK } : document;
  const config = checkConfig(file, whole, explain);
  const problems = [
    ...[bucketProblem(named), wakeProblem(config)],
    ...[...caFileProblems(config, file), ...noticeProblems(config)],
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) {
    throw new ConfigError(
      'ERR_CONFIG',
      `${file} was refused:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
  }
  return deployed(config, file);
}

/** A checked pemfleet.yaml, from a file or built by the app. */
export class PemfleetConfig {
  /**
   * The configuration that ships with the issuer. Its CA files have the names of {@link caFiles}.
   * @internal
   */
  readonly config: Config;
  /** Name of the bucket, from `bucket: s3://<name>`; `undefined` lets CloudFormation choose one. */
  readonly bucketName: string | undefined;
  /** Trust anchors of private CAs: file name beside the issuer's program → path on this machine. */
  readonly caFiles: Readonly<Record<string, string>>;

  /** @internal */
  constructor(config: Config, bucketName: string | undefined, caFiles: Readonly<Record<string, string>>) {
    this.config = config;
    this.bucketName = bucketName;
    this.caFiles = caFiles;
  }

  /**
   * Reads and checks a file.
   * @param file path of pemfleet.yaml
   * @throws Error with one line for each mistake, which begins with its path
   */
  static fromFile(file: string): PemfleetConfig {
    return readPemfleetConfig(file);
  }

  /**
   * Checks what the app has built, as the compiler does before.
   * @throws Error with one line for each mistake, which begins with its path
   */
  static of(document: PemfleetDocument): PemfleetConfig {
    return pemfleetConfigOf(document);
  }
}

/** Whether some certificate is proven by answers from the bucket. */
export function needsResponder({ config }: PemfleetConfig): boolean {
  return usedChallenges(config).has('http-01');
}

/** Leaves out external account bindings: their HMAC key is a secret and does not ship (docs/deploy.md says how to register). */
function deployed(config: Config, file: string): PemfleetConfig {
  const caFiles: Record<string, string> = {};
  const withoutSecrets = (acme: AcmeSettings, index: number): AcmeSettings => {
    const { externalAccountBinding: _, caFile, spelledUrl, ...given } = acme;
    // The file that ships is checked again.
    const rest = { ...given, directoryUrl: spelledUrl ?? given.directoryUrl };
    if (caFile === undefined) return rest;
    const name = `ca-${index}.pem`;
    caFiles[name] = pathOf(file, caFile);
    return { ...rest, caFile: name };
  };
  const [acme = config.acme, ...fallback] = configuredCas(config).map(withoutSecrets);
  const bucketName = config.bucket === BUCKET_OF_THE_STACK ? undefined : config.bucket.slice('s3://'.length);
  return new PemfleetConfig({ ...config, acme, fallback }, bucketName, caFiles);
}

function bucketProblem(bucket: unknown): string | undefined {
  if (bucket === undefined || /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(String(bucket))) {
    return undefined;
  }
  return `bucket: the stack creates the bucket: leave the key out, or name it as s3://<name>; saw ${bucket}`;
}

const [LEAST_ON_AWS, MOST_ON_AWS] = [15, 60];

/** Less often, a pass could miss the end of a renewal window; more often costs money, and one pass may last for a quarter of an hour. */
function wakeProblem(config: Config): string | undefined {
  const { wakeMinutes } = config;
  const lives = configuredLives(config);
  const unattainable = findWakeProblem(LEAST_ON_AWS, lives);
  if (unattainable !== undefined) {
    return `wakeMinutes: ${wakeProblemText(unattainable)}, the least on AWS: run the issuer on a machine`;
  }
  if (wakeMinutes < LEAST_ON_AWS || wakeMinutes > MOST_ON_AWS) {
    return `wakeMinutes: wanted ${LEAST_ON_AWS} to ${MOST_ON_AWS} on AWS, saw ${wakeMinutes}`;
  }
  const problem = findWakeProblem(wakeMinutes, lives);
  return problem && `wakeMinutes: ${wakeProblemText(problem)}`;
}

function caFileProblems({ acme, fallback }: Config, file: string): string[] {
  return configuredCas({ acme, fallback }).flatMap(({ caFile }, index) => {
    if (caFile === undefined || existsSync(pathOf(file, caFile))) return [];
    const path = index === 0 ? 'acme.caFile' : `fallback[${index - 1}].caFile`;
    return [`${path}: there is no file ${pathOf(file, caFile)}, which ships with the issuer`];
  });
}

/** The function has neither the programs nor the files of a machine. */
function noticeProblems({ notify }: Config): string[] {
  return Object.entries(notify?.channels ?? {}).flatMap(([name, { sendmail, exec, webhook = {} }]) => {
    const path = `notify.channels.${name}`;
    const program = sendmail ? 'sendmail' : exec ? 'exec' : undefined;
    if (program !== undefined) {
      return [
        `${path}.${program}: works on a machine only; on AWS a subscription of the topic sends mail (sns: default)`,
      ];
    }
    const files = (['urlFile', 'secretFile', 'caFile'] as const).filter((key) => key in webhook);
    return files.map(
      (key) => `${path}.webhook.${key}: no such file ships with the function: use an SSM parameter`,
    );
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
