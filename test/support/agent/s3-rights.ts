// What a host may do in S3: it reads what is published for its fleet, writes its own status, and lists nothing.
import { fleet, host } from './host.ts';

/** Bucket of the tests in which hosts have rights of their own. */
export const HOSTS_BUCKET = 'certs';

const allow = (action: string, key: string) => ({
  Effect: 'Allow',
  Action: action,
  Resource: `arn:aws:s3:::${HOSTS_BUCKET}/${key}`,
});

export const reading = allow('s3:GetObject', `published/${fleet}/*`);
export const reporting = allow('s3:PutObject', `status/${fleet}/${host}.json`);
