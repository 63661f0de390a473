/**
 * The instance metadata service of EC2, version 2 (EC2 User Guide, "Use the Instance Metadata Service"), and the credentials of a container
 * (SDK reference guide, "Container credential provider"). Both are asked by plain HTTP at addresses on which something else may answer.
 */
import { request as http, type IncomingMessage } from 'node:http';
import { request as https } from 'node:https';
import { getInstanceMetadataEndpoint } from '@smithy/credential-provider-imds';
import type { AwsCredentialIdentity } from '@smithy/types';
import { readBody } from '#common/bounded-body.ts';
import { SECOND_MS } from '#common/time.ts';
import { parseJson } from '#contract/json.ts';
import { readRegularFile } from '#storage/atomic-file.ts';

/** For connection, answer and body together. */
const TIMEOUT_MS = 2 * SECOND_MS;
/** Credentials with their session token have some 1,500. */
const MAX_BYTES = 65_536;
/** At the start of an instance, a role may come late. */
const TRIES = 3;
const CONTAINER = 'http://169.254.170.2';
/** Of ECS and EKS: the only ones besides loopback that are asked by plain HTTP. */
const CONTAINER_HOSTS = ['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]', 'localhost', '[::1]'];
const ROLE = '/latest/meta-data/iam/security-credentials/';

/** The message holds nothing of an answer. */
export class MetadataProviderError extends Error {
  override name = 'MetadataProviderError';
}

/** Asking again would take as long. */
class TooSlow extends MetadataProviderError {}

/** Of the instance's role. @throws MetadataProviderError */
export function instanceCredentials(): Promise<AwsCredentialIdentity> {
  return withTries(async () => {
    const ask = await openInstance();
    return credentialsIn(await ask(`${ROLE}${(await ask(ROLE)).trim()}`));
  });
}

/** @throws MetadataProviderError */
export function instanceRegion(): Promise<string> {
  return withTries(async () => {
    const region = (await (await openInstance())('/latest/meta-data/placement/region')).trim();
    // It becomes part of a host's name.
    if (/^[a-z0-9-]{1,64}$/.test(region)) return region;
    throw new MetadataProviderError('the answer is no region');
  });
}

/**
 * What the environment says of a container's credentials: ECS, EKS Pod Identity, Greengrass. A token in a file changes: it is read each time.
 * @returns undefined if it says nothing
 */
export function containerCredentials(
  env: Readonly<Record<string, string | undefined>>,
): (() => Promise<AwsCredentialIdentity>) | undefined {
  const path = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  const full = path ? `${CONTAINER}${path}` : env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  if (!full) return undefined;
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN: token, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file } = env;
  return async () => {
    const url = containerUrl(full);
    const authorization = file ? await tokenIn(file) : token;
    const headers = authorization ? { authorization } : {};
    return withTries(async () => credentialsIn(await askOnce('GET', url, headers)));
  };
}

/** A token goes along: by plain HTTP to these hosts only. */
function containerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isNear = url && (CONTAINER_HOSTS.includes(url.hostname) || /^127(\.\d+){3}$/.test(url.hostname));
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isNear)) return url;
  throw new MetadataProviderError(
    'AWS_CONTAINER_CREDENTIALS_FULL_URI wants https, or http to loopback, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]',
  );
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readRegularFile(file, MAX_BYTES)).toString('utf8').trim();
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    throw new MetadataProviderError(`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ${code ?? name}`);
  }
}

/** A token, which each question needs: a service that is led astray by a header alone gets none. */
async function openInstance(): Promise<(path: string) => Promise<string>> {
  const { protocol, hostname, port } = await getInstanceMetadataEndpoint();
  const base = `${protocol}//${hostname}${port ? `:${port}` : ''}`;
  const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
  const token = await askOnce('PUT', new URL('/latest/api/token', base), ttl);
  const headers = { 'x-aws-ec2-metadata-token': token.trim() };
  return (path) => askOnce('GET', new URL(path, base), headers);
}

async function askOnce(
  method: 'GET' | 'PUT',
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const open = url.protocol === 'https:' ? https : http;
      open(url, { method, headers, signal, agent: false }, resolve).on('error', reject).end();
    });
    const declared = answer.headers['content-length'];
    const body = await readBody(answer, { maxBytes: MAX_BYTES, declared, signal });
    if (answer.statusCode === 200) return body.toString('utf8');
    throw new MetadataProviderError(`${url.host}: HTTP status ${answer.statusCode}`);
  } catch (error) {
    if (error instanceof MetadataProviderError) throw error;
    if (signal.aborted) throw new TooSlow(`${url.host}: no whole answer within ${TIMEOUT_MS} ms`);
    const { code, name } = error as NodeJS.ErrnoException;
    throw new MetadataProviderError(`${url.host}: ${code ?? name}`);
  }
}

async function withTries<T>(work: () => Promise<T>): Promise<T> {
  for (let left = TRIES - 1; left > 0; left -= 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MetadataProviderError) || error instanceof TooSlow) throw error;
    }
  }
  return work();
}

function credentialsIn(text: string): AwsCredentialIdentity {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = recordIn(text);
  const expiration = new Date(String(Expiration));
  const isWhole = [AccessKeyId, SecretAccessKey, Token].every((one) => typeof one === 'string' && one !== '');
  if (!isWhole || Number.isNaN(expiration.getTime())) {
    throw new MetadataProviderError('the answer holds no credentials');
  }
  const [accessKeyId, secretAccessKey, sessionToken] = [AccessKeyId, SecretAccessKey, Token] as string[];
  return { accessKeyId, secretAccessKey, sessionToken, expiration } as AwsCredentialIdentity;
}

function recordIn(text: string): Record<string, unknown> {
  try {
    const value = parseJson(Buffer.from(text));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
