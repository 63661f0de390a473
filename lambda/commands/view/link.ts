/** `pemfleet status --page`: where the page of the bucket is; in S3, a signed link that is valid for a bounded time. */
import { join } from 'node:path';
import { Sha256 } from '@aws-crypto/sha256-js';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import type { HttpRequest } from '@smithy/types';
import { ConfigError } from '#common/config-error.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { parseBucketUrl, type S3Address } from '#storage/address.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import { type Command, loadConfigAndBucket, print, printJson, printToStderr } from '../command.ts';
import { UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';

/** Of Signature Version 4: a week. */
const MAX_MS = 7 * 24 * HOUR_MS;
const UNITS: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: 24 * HOUR_MS };

export const linkCommand: Command = async (values) => {
  const validMs = validityOf(values['expires-in'] ?? '1h');
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  if ((await bucket.get(layout.statusPage)) === undefined) {
    const says = `wanted ${layout.statusPage} in ${bucket.url}, saw none: set statusPage: true in pemfleet.yaml, and let a pass run`;
    throw new ConfigError('ERR_CONFIG', says);
  }
  const address = parseBucketUrl(config.bucket);
  if (address.kind === 'directory') {
    const file = join(address.path, layout.statusPage);
    if (values.json) printJson({ version: 1, file });
    else print(`${file}\n`);
    return EXIT.ok;
  }
  const link = await signedLink(address.s3, validMs);
  const until = new Date(Date.now() + validMs).toISOString();
  if (values.json) printJson({ version: 1, link, until });
  else {
    print(`${link}\n`);
    printToStderr(
      `whoever has this link reads the page until ${until}, or until your credentials end, if that is earlier\n`,
    );
  }
  return EXIT.ok;
};

/** @throws UsageError */
function validityOf(text: string): number {
  const [, count = '', unit = 's'] = /^(\d{1,6})([smhd]?)$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit || 's'] ?? SECOND_MS);
  if (count !== '' && ms > 0 && ms <= MAX_MS) return ms;
  throw new UsageError(`--expires-in wants a time such as 15m, 1h or 7d, a week at most, saw ${text}`);
}

/** Credentials, region and endpoint are those that the bucket is read with. */
async function signedLink(
  { bucket, prefix, endpoint, region, pathStyle }: S3Address,
  validMs: number,
): Promise<string> {
  const client = new S3Client({
    credentials: sdkCredentials(),
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
  });
  const { protocol, hostname, port, path } = await addressOf(client, {
    Bucket: bucket,
    Key: `${prefix}${layout.statusPage}`,
  });
  const signer = new SignatureV4({
    ...{ service: 's3', region: client.config.region, credentials: client.config.credentials },
    ...{ sha256: Sha256, uriEscapePath: false },
  });
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  const headers = { host, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
  const request = {
    method: 'GET',
    protocol,
    hostname,
    path,
    query: {},
    headers,
    ...(port !== undefined && { port }),
  };
  const signed = await signer.presign(request, { expiresIn: Math.floor(validMs / SECOND_MS) });
  const escaped = (text: unknown) =>
    encodeURIComponent(String(text)).replaceAll(
      /[!'()*]/g,
      (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${escaped(name)}=${escaped(value)}`,
  );
  return `${protocol}//${host}${path}?${query.sort().join('&')}`;
}

/** As the SDK makes it: virtual-hosted or by path, of whichever partition. Nothing is sent. */
async function addressOf(client: S3Client, object: { Bucket: string; Key: string }): Promise<HttpRequest> {
  let made: HttpRequest | undefined;
  const command = new GetObjectCommand(object);
  command.middlewareStack.add(
    () => async (given) => {
      made = given.request as HttpRequest;
      return { response: {}, output: { $metadata: {} } };
    },
    { step: 'build', priority: 'low' },
  );
  await client.send(command);
  if (made === undefined) throw new TypeError('the SDK made no request');
  return made;
}
